"""What can go wrong with a model on disk."""


class ArtifactError(Exception):
    """The model folder is missing, incomplete, altered or of another features version.

    The message says which file and what is wrong with it; the model must not be used.
    """
