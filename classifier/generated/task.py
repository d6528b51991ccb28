"""What one kind of sentence is: what it does, about whom, and how it is judged."""

from typing import NamedTuple


class Task(NamedTuple):
    """A functionality with its sentences.

    ``over`` says what fills the sentences and what is balanced: ``group``, ``emoji`` (groups
    that have one), ``slur``, ``name`` or ``none``. ``marks`` are the finer labels that hold,
    with a question mark those that nobody can tell; profanity is found by its words. The
    number of a sentence in ``frames`` names its frame, so new sentences go to the end.
    """

    name: str
    over: str
    toxic: bool
    marks: tuple[str, ...]
    frames: tuple[str, ...]

    def ids(self) -> list[str]:
        """The id of each frame, in order."""
        return [f"{self.name} {number}" for number in range(len(self.frames))]

    def held_out(self) -> list[str]:
        """Ids of the frames kept for evaluation: every fourth, beginning with the third."""
        return self.ids()[2::4]


def hate(name: str, *frames: str, over: str = "group", marks: str = "insult") -> Task:
    """A task that attacks a group; ``marks`` (space between) adds finer labels."""
    return Task(name, over, True, ("identity_attack", *marks.split()), frames)


def harmless(name: str, *frames: str, over: str = "group") -> Task:
    """A task without any abuse, profanity excepted."""
    return Task(name, over, False, (), frames)


def abuse(name: str, *frames: str, over: str = "none", marks: str = "insult") -> Task:
    """A task that attacks somebody, but no group."""
    return Task(name, over, True, tuple(marks.split()), frames)
