"""The table of HTTP routes: from it the application is built, and `/openapi.json`."""

from __future__ import annotations

from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.policy.service import changing, routes, rows

CHECKS = (
    Endpoint(
        "POST",
        "/check/client_eligibility",
        routes.client_eligibility,
        Nothing,
        (rows.Checked,),
        rows.Facts,
        errors=(403,),
    ),
    Endpoint(
        "POST",
        "/check/model_sharing",
        routes.model_sharing,
        Nothing,
        (rows.Checked,),
        rows.Facts,
        errors=(403,),
    ),
    Endpoint(
        "POST", "/api/v1/check", routes.check, Nothing, (rows.Checked,), rows.Check, errors=(403,)
    ),
)

ENDPOINTS = (
    Endpoint("GET", "/", routes.about, Nothing, (rows.PolicyAbout,)),
    Endpoint("GET", "/health", routes.health, Nothing, (rows.PolicyHealth,)),
    Endpoint("GET", "/metrics", routes.metrics, Nothing, (), text=MEDIA_TYPE, errors=(403,)),
    *CHECKS,
    Endpoint(
        "POST",
        "/api/v1/check/batch",
        routes.check_batch,
        Nothing,
        (rows.CheckedMany,),
        rows.Checks,
        errors=(403,),
    ),
    Endpoint(
        "POST",
        "/log/training_event",
        routes.log_event,
        Nothing,
        (rows.Logged,),
        rows.TrainingEvent,
        errors=(403, 409, 503),
    ),
    Endpoint(
        "GET", "/events", routes.events, rows.EventQuery, (rows.EventList,), errors=(403, 422)
    ),
    Endpoint(
        "GET",
        "/api/v1/decisions",
        routes.decisions,
        rows.DecisionQuery,
        (rows.DecisionList,),
        errors=(403, 422),
    ),
    Endpoint(
        "GET", "/api/v1/policies", changing.policies, Nothing, (rows.PolicySet,), errors=(403,)
    ),
    Endpoint(
        "PUT",
        "/api/v1/policies",
        changing.replace,
        Nothing,
        (rows.Taken,),
        rows.NewSet,
        errors=(403, 409, 429, 503),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/validate",
        changing.validate,
        Nothing,
        (rows.Validated,),
        rows.Candidate,
        errors=(403,),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/replay",
        changing.replayed,
        Nothing,
        (rows.ReplayAnswer,),
        rows.ReplayOrder,
        errors=(403, 429, 503),
    ),
    Endpoint(
        "GET",
        "/api/v1/trust",
        changing.trust,
        rows.TrustQuery,
        (rows.TrustList,),
        errors=(403, 404, 422),
    ),
    Endpoint(
        "GET",
        "/api/v1/audit/verify",
        changing.audit_verify,
        Nothing,
        (rows.AuditAnswer,),
        errors=(403, 429, 503),
    ),
)
