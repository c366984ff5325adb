//! One finished call as a span: made when the call has ended, with the times it had.

use std::time::SystemTime;

use contract::Client;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use crate::pipeline::Said;
use crate::redact::Redactor;
use crate::telemetry::names::{self, Method, OTHER};
use crate::telemetry::numbers::Ended;

/// What a span says beside the numbers.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The call, as the records name it.
    pub(crate) call: &'a str,
    /// From which program, as claimed.
    pub(crate) client: &'a Client,
    /// What the client says about the call.
    pub(crate) said: &'a Said,
}

/// What tells one series of durations from another.
pub(super) fn dimensions(ended: &Ended) -> Vec<KeyValue> {
    let mut keys = Vec::with_capacity(12);
    keys.push(KeyValue::new(names::METHOD, ended.method.name()));
    keys.push(KeyValue::new(ended.method.owner(), ended.name.unwrap_or(OTHER)));
    if let Some(error) = names::error_type(ended.outcome, ended.error) {
        keys.push(KeyValue::new(names::ERROR, error));
    }
    keys
}

/// Hands a finished call over, as a child of the span that the caller named.
pub(super) fn end(tracer: &SdkTracer, ended: &Ended, told: &Told<'_>, redactor: &Redactor) {
    let now = SystemTime::now();
    let began = now.checked_sub(ended.duration).unwrap_or(now);
    let mut span = tracer
        .span_builder(name(ended))
        .with_kind(SpanKind::Server)
        .with_start_time(began)
        .with_attributes(attributes(ended, told, redactor))
        .start_with_context(tracer, &parent(told.said, redactor));
    if names::error_type(ended.outcome, ended.error).is_some() {
        // Messages quote arguments: they are in the records.
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(now);
}

fn name(ended: &Ended) -> String {
    match ended.name {
        Some(name) => format!("{} {name}", ended.method.name()),
        None => ended.method.name().to_owned(),
    }
}

fn attributes(ended: &Ended, told: &Told<'_>, redactor: &Redactor) -> Vec<KeyValue> {
    let mut keys = dimensions(ended);
    keys.push(KeyValue::new(names::CALL, told.call.to_owned()));
    keys.push(KeyValue::new(names::OUTCOME, ended.outcome.name()));
    keys.push(KeyValue::new(names::RESULT_SIZE, i64::try_from(ended.bytes).unwrap_or(i64::MAX)));
    if ended.method == Method::ToolsCall {
        keys.push(KeyValue::new(names::OPERATION, names::EXECUTE_TOOL));
    }
    match told.client.transport {
        "stdio" => keys.push(KeyValue::new(names::TRANSPORT, "pipe")),
        "http" => {
            keys.push(KeyValue::new(names::TRANSPORT, "tcp"));
            keys.push(KeyValue::new(names::NETWORK_PROTOCOL, "http"));
        }
        _ => {}
    }
    let claimed = [
        (names::PROTOCOL, Some(&told.client.protocol).filter(|revision| !revision.is_empty())),
        (names::SESSION, told.said.session.as_ref()),
        (names::REQUEST, told.said.request.as_ref()),
    ];
    for (name, value) in claimed {
        let Some(value) = value else { continue };
        keys.push(KeyValue::new(name, redactor.text(value).unwrap_or_else(|| value.clone())));
    }
    keys
}

/// The span that the caller named, by the W3C's recommendation (Trace Context, 3.2); none where it
/// named none, or wrongly.
fn parent(said: &Said, redactor: &Redactor) -> Context {
    let Some(trace) = said.trace.as_deref().filter(|trace| is_well_formed(trace)) else {
        return Context::new();
    };
    // The vendors' part is free text.
    let state = said.trace_state.as_deref().filter(|state| redactor.text(state).is_none());
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Carried { trace, state })
}

/// The lengths of version, trace, parent and flags; the library looks at the rest.
fn is_well_formed(trace: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let mut parts = trace.split('-');
    lengths.iter().all(|length| parts.next().is_some_and(|part| part.len() == *length))
}

/// The two fields, as the library asks for them.
struct Carried<'a> {
    trace: &'a str,
    state: Option<&'a str>,
}

impl Extractor for Carried<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(self.trace),
            "tracestate" => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::record::Outcome;
    use contract::{Kind, Secret};
    use opentelemetry::trace::{SpanId, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn ended(name: Option<&'static str>, outcome: Outcome, error: Option<Kind>) -> Ended {
        let duration = Duration::from_millis(3);
        Ended { method: Method::ToolsCall, name, outcome, error, duration, bytes: 7 }
    }

    /// The spans of one call.
    fn spans(ended: &Ended, said: &Said) -> Vec<SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let redactor = Redactor::new(&[Secret::new("hunter2hunter2".to_owned())]);
        let client = Client { protocol: "2026-07-28".to_owned(), ..Client::default() };
        let client = Client { transport: "http", ..client };
        end(
            &provider.tracer("test"),
            ended,
            &Told { call: "c-1", client: &client, said },
            &redactor,
        );
        exporter.get_finished_spans().expect("spans")
    }

    fn said(trace: &str) -> Said {
        Said { trace: Some(trace.to_owned()), ..Said::default() }
    }

    #[test]
    fn a_call_continues_the_trace_of_its_caller() {
        let mut said = said(TRACE);
        said.trace_state = Some("vendor=x".to_owned());
        let spans = spans(&ended(Some("a_read"), Outcome::Done, None), &said);
        let [span] = &spans[..] else { panic!("one span: {spans:?}") };
        assert_eq!(span.name, "tools/call a_read");
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
        let context = &span.span_context;
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.trace_state().header(), "vendor=x");
        assert_eq!(span.status, Status::Unset);
        let lasted = span.end_time.duration_since(span.start_time).expect("in order");
        assert_eq!(lasted, Duration::from_millis(3));
    }

    #[test]
    fn a_trace_that_is_not_sampled_is_left_alone() {
        let said = said(&TRACE.replace("-01", "-00"));
        assert!(spans(&ended(Some("a_read"), Outcome::Done, None), &said).is_empty());
    }

    #[test]
    fn what_is_no_trace_context_begins_a_trace() {
        for wrong in [
            "",
            "nonsense",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-1-2-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            let spans = spans(&ended(Some("a_read"), Outcome::Done, None), &said(wrong));
            assert_eq!(spans[0].parent_span_id, SpanId::INVALID, "{wrong}");
        }
    }

    #[test]
    fn a_failed_call_names_its_error_and_no_secret() {
        let said = Said {
            trace: Some(TRACE.to_owned()),
            trace_state: Some("vendor=hunter2hunter2".to_owned()),
            request: Some("hunter2hunter2".to_owned()),
            ..Said::default()
        };
        let spans = spans(&ended(None, Outcome::Failed, Some(Kind::Timeout)), &said);
        let span = &spans[0];
        assert_eq!(span.name, "tools/call", "an unknown name is not one");
        assert_eq!(span.status, Status::error(""));
        let value = |name: &str| {
            let key = span.attributes.iter().find(|key| key.key.as_str() == name);
            key.map(|key| key.value.to_string()).unwrap_or_default()
        };
        assert_eq!(value("error.type"), "timeout");
        assert_eq!(value("gen_ai.tool.name"), "_other");
        assert_eq!(value("mcp.protocol.version"), "2026-07-28");
        assert_eq!(value("network.transport"), "tcp");
        assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
    }
}
