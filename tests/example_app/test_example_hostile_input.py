"""Input that nobody sends by accident: an envelope each time, never a 500, and nothing stored."""

import json

import pytest

VALID = {"email": "kay@example.com", "name": "Alan Kay", "password": "smalltalk 1972"}

BODIES = {
    "empty": b"",
    "blank": b" ",
    "nul": b"\0",
    "invalid utf-8": b'{"name": "\xff"}',
    "utf-16": json.dumps(VALID).encode("utf-16")[:-1],
    "deep array": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000,
    "deep value": b'{"name":' + b"[" * 900 + b"]" * 900 + b"}",
    "deeper value": b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep unknown": b'{"x":' * 900 + b"1" + b"}" * 900,
    "surrogate value": rb'{"email": "\ud800@example.com", "name": "\udfff", "password": "\ud800 smalltalk 1972"}',
    "surrogate key": rb'{"\ud800": 1}',
    "nul key": rb'{"\u0000": 1}',
    "dotted keys": b'{"a.b": 1, "a": {"b": 1}, "": 1, "_schema": 1}',
    "huge integer": b'{"name": ' + b"9" * 4000 + b"}",
    "huger integer": b'{"name": ' + b"9" * 5000 + b"}",
    "nan": b'{"name": NaN, "email": Infinity, "password": -Infinity}',
    "many unknown fields": json.dumps({f"field{number}": 1 for number in range(10_000)}).encode(),
    "long unknown field": json.dumps({"x" * 500_000: 1}).encode(),
    "long values": json.dumps(dict.fromkeys(VALID, "x" * 300_000)).encode(),
    "long domain": json.dumps(VALID | {"email": "a@" + "a." * 200_000 + "com"}).encode(),
    "growing letters": json.dumps(VALID | {"email": "\u0130" * 240 + "@example.com"}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["/users", "/policies/pol_00000000000000000000000000000001/evaluate"])
def test_bodies(api, path, body):
    response = api("POST", path, data=body, content_type="application/json")
    assert response.status_code in {400, 422}, response.text[:1000]
    assert set(response.json) == {"error", "error_description"} | ({"details"} & set(response.json))
    assert response.headers["X-Request-ID"]
    assert api("GET", "/users").json["total"] == 3


def test_the_last_of_duplicate_keys_counts(api):
    body = json.dumps(VALID)[:-1] + ', "name": "Someone Else"}'
    response = api("POST", "/users", data=body, content_type="application/json")
    assert (response.status_code, response.json["name"]) == (201, "Someone Else")


@pytest.mark.parametrize(
    "path",
    [
        "/users/..%2f..%2fetc%2fpasswd",
        "/users/%00",
        "/users/%ed%a0%80",
        "/users/%F0%9F%98%80",
        "/users/" + "x" * 60_000,
        "/users/usr_" + "%30" * 31 + "%0a",
        "/users/';DROP%20TABLE%20users;--",
        "/users//",
        "/%",
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_paths(api, method, path):
    response = api(method, path)
    assert response.status_code in {404, 405, 308}
    assert response.headers["X-Request-ID"]


@pytest.mark.parametrize("query", ["%ff=1", "%00=%00", "page[]=1", "=", "&&&", "page=%ed%a0%80", "x" * 5000])
def test_queries(api, query):
    response = api("GET", f"/users?{query}")
    assert response.status_code in {200, 422}, response.text


@pytest.mark.parametrize(
    "letters", ["Ünï¢ødé 名前 😀", "O'Brien; DROP TABLE users", "<script>alert(1)</script>", "{input} %s"]
)
def test_odd_but_valid_text_is_kept(api, letters):
    user = api.create_user(name=letters, password=letters + " 12345 abc")
    assert api("GET", f"/users/{user['id']}").json["name"] == letters


def test_address_in_other_alphabets(api, is_error):
    created = api.create_user(email="ÜSER@exämple.com")
    assert created["email"] == "üser@exämple.com"
    # The same letters, spelled with combining diaereses.
    response = api("POST", "/users", json=VALID | {"email": "u\u0308ser@exa\u0308mple.com"})
    is_error(response, 409, "email_already_exists")
