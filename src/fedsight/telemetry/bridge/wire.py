"""OTLP's metrics as the bridge reads them: attribute sets and points stay bytes until they matter.

On the wire a message within a message is a length and bytes, so that a schema which calls it bytes
reads the same request. A producer says the same attributes each time: their bytes are the key under
which a series is remembered. Field numbers are those of opentelemetry-proto 1.x.
https://github.com/open-telemetry/opentelemetry-proto
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "fedsight.otlp"
#: Of a point's flags: the bit that says that nothing was measured.
NO_RECORDED_VALUE = 1
DELTA = 1
CUMULATIVE = 2

#: Message: fields as `number name type`; a type with `*` is repeated, one with `?` may be absent.
SCHEMA: dict[str, tuple[str, ...]] = {
    "Metrics": ("1 resource_metrics ResourceMetrics*",),
    "ResourceMetrics": ("1 resource bytes", "2 scope_metrics ScopeMetrics*"),
    "ScopeMetrics": ("1 scope bytes", "2 metrics Metric*"),
    "Metric": (
        "1 name string",
        "3 unit string",
        "5 gauge Points?",
        "7 sum Points?",
        "9 histogram Points?",
        "10 exponential_histogram Points?",
        "11 summary Points?",
    ),
    "Points": ("1 data_points bytes*", "2 temporality int32", "3 is_monotonic bool"),
    "Number": (
        "7 attributes bytes*",
        "2 start fixed64",
        "3 time fixed64",
        "4 as_double double?",
        "6 as_int sfixed64?",
        "8 flags uint32",
    ),
    "Histogram": (
        "9 attributes bytes*",
        "3 time fixed64",
        "4 count fixed64",
        "5 sum double?",
        "6 bucket_counts fixed64*",
        "7 explicit_bounds double*",
        "10 flags uint32",
        "11 min double?",
        "12 max double?",
    ),
    "Exponential": (
        "1 attributes bytes*",
        "3 time fixed64",
        "4 count fixed64",
        "5 sum double?",
        "6 scale sint32",
        "7 zero_count fixed64",
        "8 positive Buckets",
        "9 negative Buckets",
        "10 flags uint32",
        "12 min double?",
        "13 max double?",
        "14 zero_threshold double",
    ),
    "Buckets": ("1 offset sint32", "2 bucket_counts uint64*"),
    "Summary": (
        "7 attributes bytes*",
        "3 time fixed64",
        "4 count fixed64",
        "5 sum double",
        "6 quantile_values Quantile*",
        "8 flags uint32",
    ),
    "Quantile": ("1 quantile double", "2 value double"),
    # google.rpc.Status and what stands in it, and OTLP's answers: the same for all three signals.
    "Status": ("1 code int32", "2 message string", "3 details Any*"),
    "Any": ("1 type_url string", "2 value bytes"),
    "RetryInfo": ("1 retry_delay Duration",),
    "Duration": ("1 seconds int64", "2 nanos int32"),
    "Answer": ("1 partial_success Partial?",),
    "Partial": ("1 rejected int64", "2 error_message string"),
}


def _field(said: str, message: DescriptorProto) -> FieldDescriptorProto:
    number, name, kind = said.split()
    field = FieldDescriptorProto(name=name, number=int(number))
    bare = kind.rstrip("*?")
    repeated = kind.endswith("*")
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if bare in SCHEMA:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{bare}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{bare.upper()}")
    if kind.endswith("?") and bare not in SCHEMA:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    return field


def _classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="fedsight/otlp.proto", package=PACKAGE, syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for said in fields:
            message.field.append(_field(said, message))
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in SCHEMA
    }


_MADE = _classes()
Metrics = _MADE["Metrics"]
Number = _MADE["Number"]
Histogram = _MADE["Histogram"]
Exponential = _MADE["Exponential"]
Summary = _MADE["Summary"]
Status = _MADE["Status"]
RetryInfo = _MADE["RetryInfo"]
Answer = _MADE["Answer"]
