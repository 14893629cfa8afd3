"""``/api/admin/users``."""

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from ..auth import require_scope
from ..schemas import PageSchema, load_body, load_query
from . import service
from .schemas import UserSchema

blueprint = Blueprint("users", __name__)

_page = PageSchema()
_user = UserSchema()
_change = UserSchema(partial=True)


@blueprint.post("")
@require_scope("users:write")
def create_user() -> ResponseReturnValue:
    """Create a user."""
    user = service.create(load_body(_user))
    return jsonify(_user.dump(user)), 201, {"Location": url_for(".read_user", user_id=user.id)}


@blueprint.get("")
@require_scope("users:read")
def list_users() -> ResponseReturnValue:
    """List the users, page by page."""
    page = load_query(_page)
    users, total = service.read_page(**page)
    return jsonify(items=_user.dump(users, many=True), total=total, **page)


@blueprint.get("/<user_id>")
@require_scope("users:read")
def read_user(user_id: str) -> ResponseReturnValue:
    """Read a user."""
    return jsonify(_user.dump(service.read(user_id)))


@blueprint.patch("/<user_id>")
@require_scope("users:write")
def change_user(user_id: str) -> ResponseReturnValue:
    """Change some fields of a user."""
    return jsonify(_user.dump(service.change(user_id, load_body(_change))))


@blueprint.delete("/<user_id>")
@require_scope("users:write")
def delete_user(user_id: str) -> ResponseReturnValue:
    """Delete a user."""
    service.remove(user_id)
    return "", 204
