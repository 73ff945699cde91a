"""A model provider of our own on the loopback interface: real sockets, a real bill, and faults on request."""

from tests.provider.faults import Fault, Faults, Script
from tests.provider.judging import Answer, Asked, QrelsJudge, ScriptedJudge, Step
from tests.provider.meter import Bill, Price
from tests.provider.server import Provider, Received

__all__ = [
    "Answer",
    "Asked",
    "Bill",
    "Fault",
    "Faults",
    "Price",
    "Provider",
    "QrelsJudge",
    "Received",
    "Script",
    "ScriptedJudge",
    "Step",
]
