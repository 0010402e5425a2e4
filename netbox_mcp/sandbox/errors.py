"""The one exception of the sandbox.

Every way in which the sandbox can fail ends here, as one sentence for the
operator and one hint about what to do next.
"""


class SandboxError(Exception):
    """The sandbox could not do what was asked.

    ``message`` says what is wrong in one sentence; ``hint`` what to do about
    it, and is empty where there is nothing sensible to suggest.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
