"""The table of HTTP routes: from it the application is built, and `/openapi.json`."""

from __future__ import annotations

from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.policy.service import (
    changing,
    edit_rows,
    editing,
    listed,
    listing,
    replay_routes,
    routes,
    rows,
)
from fedsight.policy.service.replaying import ReplayState
from fedsight.policy.trying import Tried

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

#: A number in the path is one that `versions` or `replays` told.
SETS = (
    Endpoint(
        "GET", "/api/v1/policies", editing.policies, Nothing, (edit_rows.PolicySet,), errors=(403,)
    ),
    Endpoint(
        "PUT",
        "/api/v1/policies",
        editing.replace,
        Nothing,
        (edit_rows.Taken,),
        edit_rows.NewSet,
        errors=(403, 409, 412, 429, 503),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/rollback",
        editing.rollback,
        Nothing,
        (edit_rows.Taken,),
        edit_rows.Back,
        errors=(403, 404, 409, 412, 429, 503),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/validate",
        editing.validate,
        Nothing,
        (Tried,),
        edit_rows.Candidate,
        errors=(403, 429, 503),
    ),
    Endpoint(
        "GET",
        "/api/v1/policies/versions",
        editing.versions,
        edit_rows.VersionQuery,
        (edit_rows.VersionList,),
        errors=(403, 422),
    ),
    Endpoint(
        "GET",
        "/api/v1/policies/versions/{number}",
        editing.version,
        Nothing,
        (edit_rows.WholeVersion,),
        errors=(403, 404),
    ),
    Endpoint(
        "GET",
        "/api/v1/policies/diff",
        editing.diff,
        edit_rows.DiffQuery,
        (edit_rows.Diff,),
        errors=(403, 404, 422),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/replay",
        replay_routes.replayed,
        Nothing,
        (edit_rows.ReplayAnswer,),
        edit_rows.ReplayOrder,
        errors=(403, 404, 429, 503),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/replays",
        replay_routes.begin,
        Nothing,
        (ReplayState,),
        edit_rows.ReplayOrder,
        errors=(403, 404, 429, 503),
        status=202,
    ),
    Endpoint(
        "GET",
        "/api/v1/policies/replays/{number}",
        replay_routes.replay,
        Nothing,
        (ReplayState,),
        errors=(403, 404),
    ),
    Endpoint(
        "POST",
        "/api/v1/policies/replays/{number}/stop",
        replay_routes.stop,
        Nothing,
        (ReplayState,),
        errors=(403, 404),
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
        listing.decisions,
        listed.DecisionQuery,
        (listed.DecisionList,),
        errors=(403, 422),
    ),
    Endpoint(
        "GET",
        "/api/v1/refusals",
        listing.refused,
        listed.Which,
        (listed.Refusals,),
        errors=(403, 422),
    ),
    *SETS,
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
        "/api/v1/trust/history",
        listing.trust_history,
        listed.HistoryQuery,
        (listed.TrustCurves,),
        errors=(403, 404, 422),
    ),
    Endpoint(
        "GET", "/api/v1/audit", listing.audit, Nothing, (listed.AuditState,), errors=(403, 503)
    ),
    Endpoint(
        "GET",
        "/api/v1/audit/records",
        listing.records,
        listed.RecordQuery,
        (listed.RecordList,),
        errors=(403, 422, 503),
    ),
    Endpoint(
        "POST",
        "/api/v1/trust/{client}/reset",
        changing.reset_trust,
        Nothing,
        (rows.WasReset,),
        rows.Reset,
        errors=(403, 404, 503),
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
