//! `/metrics`: the numbers of the process, for Prometheus. Where the server asks who calls, it
//! asks here, too, and wants a role whose tools include `metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contract::Identity;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};

use crate::pipeline::Pipeline;
use crate::telemetry::{Format, RIGHT};

/// Where the metrics are.
pub(super) const METRICS: &str = "/metrics";

/// What is needed to answer.
#[derive(Clone)]
struct Shown {
    pipeline: Pipeline,
    /// The names that this server answers to: a page that was led here by another name must not
    /// read the numbers of somebody's machine.
    hosts: Arc<[String]>,
}

/// The route; who calls is asked by what is laid around it.
pub(super) fn route(pipeline: Pipeline, hosts: Vec<String>) -> Router {
    Router::new().route(METRICS, get(show)).with_state(Shown { pipeline, hosts: hosts.into() })
}

async fn show(State(shown): State<Shown>, request: Request) -> Response {
    let headers = request.headers();
    if !names(headers, request.uri().authority(), &shown.hosts) {
        return refuse("this server has no such name; add it to `http.hosts` of its table");
    }
    // No identity is asked for on a loopback address where servers.toml has none.
    if let Some(identity) = request.extensions().get::<Arc<Identity>>()
        && !shown.pipeline.shows_metrics(&shown.pipeline.principal(identity))
    {
        return refuse(&format!("you may not read this; it takes a role with the tool `{RIGHT}`"));
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let text = shown.pipeline.metrics(format).await;
    ([(header::CONTENT_TYPE, format.media_type())], text).into_response()
}

/// Whether the request names one of these hosts.
pub(super) fn names(headers: &HeaderMap, authority: Option<&Authority>, hosts: &[String]) -> bool {
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok()?.parse().ok());
    let named: Option<Authority> = named.or_else(|| authority.cloned());
    named.is_some_and(|named| {
        let host = named.host().trim_matches(['[', ']']);
        hosts.iter().any(|allowed| {
            let is_host = allowed.trim_matches(['[', ']']).eq_ignore_ascii_case(host);
            is_host || allowed.eq_ignore_ascii_case(named.as_str())
        })
    })
}

fn refuse(why: &str) -> Response {
    (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: bool) {
        let hosts = ["localhost", "127.0.0.1", "::1", "mcp.acme.example:8443"].map(str::to_owned);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        assert_eq!(names(&headers, None, &hosts), expected, "{host}");
    }

    #[test]
    fn only_hosts_that_are_ours_are_answered() {
        check("localhost:8080", true);
        check("127.0.0.1", true);
        check("[::1]:8080", true);
        check("LOCALHOST", true);
        check("mcp.acme.example:8443", true);
        check("mcp.acme.example", false);
        check("evil.example", false);
        check("127.0.0.1.evil.example", false);
        check("", false);
    }
}
