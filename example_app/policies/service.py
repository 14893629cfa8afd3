"""What can be done with policies."""

from flask_apierrors import abort

from ..database import transaction
from ..ids import is_id
from .models import ID_PREFIX, Policy


def evaluate(policy_id: str, value: float) -> bool:
    """Tell whether a policy allows `value`.

    Nobody thought of zero, which is the example's one staged crash: it shows what becomes of a bug.
    """
    with transaction() as session:
        policy = session.get(Policy, policy_id) if is_id(ID_PREFIX, policy_id) else None
    if policy is None:
        abort("policy_not_found", policy_id=policy_id)
    return policy.numerator / value <= policy.maximum
