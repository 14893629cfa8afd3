"""``/api/admin/policies``: one evaluation, and the example's one staged crash."""

import pytest

from example_app.sample_data import SAMPLE_POLICY_ID

EVALUATE = f"/policies/{SAMPLE_POLICY_ID}/evaluate"


@pytest.mark.parametrize(("value", "allowed"), [(60, True), (12, True), (11.9, False), (5e-324, False), (1e308, True)])
def test_evaluates(api, value, allowed):
    response = api("POST", EVALUATE, json={"value": value})
    assert response.status_code == 200
    assert response.json == {"policy_id": SAMPLE_POLICY_ID, "allowed": allowed}


@pytest.mark.parametrize("value", [0, 0.0, -0.0])
def test_crash_tells_the_client_nothing(api, is_error, value):
    response = api("POST", EVALUATE, json={"value": value})
    assert is_error(response, 500, "internal_error") == {}
    assert response.json["error_description"] == "An internal error occurred. Please try again later."


@pytest.mark.parametrize("value", ["x", None, [], {}, -1, 10**400, float("nan"), float("inf")])
def test_invalid_value(api, is_error, value):
    assert list(is_error(api("POST", EVALUATE, json={"value": value}), 422, "validation_error")) == ["value"]


@pytest.mark.parametrize("policy_id", ["pol_" + "f" * 32, "usr_" + "0" * 32, "x", "%00"])
def test_unknown_policy(api, is_error, policy_id):
    is_error(api("POST", f"/policies/{policy_id}/evaluate", json={"value": 1}), 404, "policy_not_found")


def test_wrong_method(api, is_error):
    response = api("GET", EVALUATE)
    is_error(response, 405, "method_not_allowed")
    assert set(response.allow) == {"POST", "OPTIONS"}


def test_missing_scope(api, is_error):
    response = api("POST", EVALUATE, token=api.token("users:read"), json={"value": 1})
    assert is_error(response, 403, "insufficient_scope") == {"scope": "policies:evaluate"}
