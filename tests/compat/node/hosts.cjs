// Loaded by `node --require`: what a line in /etc/hosts would do for Akismet's host and those below
// it, and nothing else. The clients themselves are as npm installed them.
const dns = require("node:dns");

const address = process.env.AKISMET_ADDRESS;
const lookup = dns.lookup;

dns.lookup = (hostname, options, callback) => {
  if (typeof options === "function") [options, callback] = [{}, options];
  if (!/^([a-z0-9]+\.)?rest\.akismet\.com$/i.test(hostname)) {
    return lookup(hostname, options, callback);
  }
  const all = typeof options === "object" && options.all;
  process.nextTick(() =>
    all ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4),
  );
};
