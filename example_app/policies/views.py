"""``/api/admin/policies``."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from ..auth import require_scope
from ..schemas import load_body
from . import service
from .schemas import EvaluationSchema

blueprint = Blueprint("policies", __name__)

_evaluation = EvaluationSchema()


@blueprint.post("/<policy_id>/evaluate")
@require_scope("policies:evaluate")
def evaluate_policy(policy_id: str) -> ResponseReturnValue:
    """Evaluate a policy."""
    return jsonify(policy_id=policy_id, allowed=service.evaluate(policy_id, **load_body(_evaluation)))
