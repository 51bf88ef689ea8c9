"""Opens everything in order and closes it in reverse. The only place that picks implementations."""

from app.wiring.ground import open_database
from app.wiring.operator import Operator, open_operator
from app.wiring.services import open_services

__all__ = ["Operator", "open_database", "open_operator", "open_services"]
