"""What a policy is evaluated with."""

from marshmallow import Schema, fields, validate


class EvaluationSchema(Schema):
    """The number that a policy's rule is about."""

    value = fields.Float(required=True, validate=validate.Range(min=0))
