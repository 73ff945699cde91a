"""Refusals by a provider's content filter that arrive as errors: one document's trouble, not the provider's.

Such an error is the answer to this one call: the model was not asked, nothing is billed, and the same request would be
refused again. So it is read as a reply that the provider withheld (`finish_reason` "filter"), and nothing is raised.
"""

from __future__ import annotations

import re

_STATUSES = frozenset({200, 400, 403, 406, 422, 451})

_SIGNS = re.compile(
    r"""
    content[-_ ]?filter | contentfilter | content\ management\ policy | ResponsibleAIPolicyViolation
    | responsible[-_ ]?ai | content[-_ ]?policy | content\ filtering\ policy
    | contentpolicyviolation
    | (?:violat\w*|against)\ (?:\w+\ ){0,5}?(?:content|usage|safety)\ (?:policy|policies|guidelines)
    | usage\ policies | usage\ guidelines | safety\ (?:policy|policies|system|guidelines|filter\w*|settings)
    | guardrail
    | PROHIBITED_CONTENT | blockReason | block_reason | finishReason"?:\s*"(?:SAFETY|BLOCKLIST|SPII|RECITATION)
    | (?:prompt|response|request|output)\ was\ filtered
    | blocked\ (?:by|due\ to|for)\ (?:\w+\ ){0,3}?(?:safety|content|moderation|prohibited|policy)
    | prompt\ was\ blocked | (?:prompt|input|output|content)\ (?:was\ |is\ |has\ been\ )?(?:flagged|blocked)
    | flagged\ (?:by|as|for)\ | requires\ moderation | moderation\ (?:blocked|error|failed|flagged)
    | data[-_ ]?inspection[-_ ]?failed | DataInspectionFailed | inappropriate\ content
    | sensitive[-_ ]?content | SensitiveContentDetected | (?:input|output|new)[-_ ]sensitive | sensitive\ words?
    | TextIllegalDetected | IllegalDetected | content\ exists\ risk | considered\ high\ risk | censorship
    | "code":\s*"?(?:1301|1026|1027)\b
    | 系统检测到 | 敏感内容 | 不安全或敏感
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OTHERS = re.compile(
    r"(?:invalid|unknown|unsupported|unrecognized|unexpected|missing) (?:\w+ ){0,2}?(?:parameter|argument|field)"
    r"|(?:unknown|missing) guardrail|guardrail (?:\w+ ){0,4}?(?:not found|does not exist)"
    r"|account (?:is|has|was)|deactivated",
    re.IGNORECASE,
)
"""Errors that speak of a filter, and are of another kind: a parameter of that name, an account that was closed."""


def withheld(status: int | None, said: str) -> bool:
    """Whether an error says that a filter kept the request from the model, or its reply from us.

    Args:
        status: of the answer, or of the error inside it; None where there was no answer.
        said: everything that the error says, its codes included.
    """
    return status in _STATUSES and bool(_SIGNS.search(said)) and not _OTHERS.search(said)
