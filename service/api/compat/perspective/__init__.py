"""The door for clients of Google's Perspective API (v1alpha1), which ends on 31 December 2026.

A request travels `params` (key and query) → `routes` → `payload` (the body, by the message types
of `messages`) → `attributes` (what may be scored in which language) → the scorer → `spans`; every
refusal is one of `refusals`. `discovery` describes all of it to Google's own client libraries.
"""

from service.api.compat.perspective.routes import ROUTES

__all__ = ["ROUTES"]
