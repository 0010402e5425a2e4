"""The one exception of the sandbox.

Every way in which the sandbox can fail ends here, as one sentence for the
operator and one hint about what to do next.
"""

from orchestrator.errors import OrchestratorError


class SandboxError(OrchestratorError):
    """The sandbox could not do what was asked.

    ``message`` says what is wrong in one sentence; ``hint`` what to do about
    it, and is empty where there is nothing sensible to suggest.
    """

    code = "sandbox"
