// What the scripts share: the settings they are given, and calls whose failure is an answer, too.
export const given = JSON.parse(process.argv[2]);

export async function called(call) {
  try {
    return { answer: await call() };
  } catch (error) {
    const { status, code, message } = error;
    return { error: error.constructor.name, status, code, message };
  }
}

export function tell(results) {
  process.stdout.write(JSON.stringify(results));
}
