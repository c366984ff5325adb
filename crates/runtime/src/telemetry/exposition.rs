//! The numbers as text, for Prometheus: OpenMetrics 1.0, or the format before it.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::names::{self, DURATION, DURATION_HELP, METRICS, Metric, SERVER, Shape};
use super::numbers::{Label, Numbers};

/// A format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' own, version 0.0.4: what `promtool check metrics` and older scrapers read.
    Prometheus,
}

impl Format {
    /// The format that an `Accept` header asks for.
    pub(crate) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    /// The media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All numbers of the process as text.
pub(crate) fn text(server: &'static str, numbers: &Arc<Numbers>, format: Format) -> String {
    let mut registry = Registry::with_labels([(SERVER.into(), server.into())].into_iter());
    registry.register_collector(Box::new(Shown(Arc::clone(numbers))));
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, &registry);
    match format {
        Format::OpenMetrics => text,
        Format::Prometheus => classic(&text),
    }
}

/// What the library asks for the numbers.
struct Shown(Arc<Numbers>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.durations(&mut encoder)?;
        METRICS.iter().try_for_each(|metric| self.metric(metric, &mut encoder))
    }
}

impl Shown {
    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = names::underscored(DURATION);
        let unit = Unit::Seconds;
        let mut metric =
            encoder.encode_descriptor(&name, DURATION_HELP, Some(&unit), MetricType::Histogram)?;
        for (labels, histogram) in self.0.durations() {
            histogram.encode(metric.encode_family(&written(&labels))?)?;
        }
        Ok(())
    }

    fn metric(&self, metric: &Metric, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = metric.prometheus.map_or_else(|| names::underscored(metric.name), str::to_owned);
        let unit = match metric.unit {
            "s" => Some(Unit::Seconds),
            "By" => Some(Unit::Bytes),
            _ => None,
        };
        let kind = match metric.shape {
            Shape::Counter => MetricType::Counter,
            Shape::Gauge | Shape::Time => MetricType::Gauge,
            Shape::Information => MetricType::Info,
        };
        let mut encoder = encoder.encode_descriptor(&name, metric.help, unit.as_ref(), kind)?;
        let mut result = Ok(());
        self.0.read(metric.fact, &mut |labels, number| {
            if result.is_ok() {
                result = value(metric, &mut encoder, labels, number);
            }
        });
        result
    }
}

fn value(
    metric: &Metric,
    encoder: &mut MetricEncoder<'_>,
    labels: &[Label<'_>],
    number: u64,
) -> fmt::Result {
    let labels = written(labels);
    if metric.shape == Shape::Information {
        return encoder.encode_info(&labels);
    }
    let mut encoder = encoder.encode_family(&labels)?;
    match metric.shape {
        Shape::Counter => encoder.encode_counter(&number, NO_EXEMPLAR),
        Shape::Time => encoder.encode_gauge(&names::seconds(number)),
        Shape::Gauge | Shape::Information => encoder.encode_gauge(&number),
    }
}

/// Counters point to no single call.
const NO_EXEMPLAR: Option<&Exemplar<Vec<(String, String)>, f64>> = None;

/// Labels as Prometheus writes them.
fn written<'a>(labels: &[Label<'a>]) -> Vec<(String, &'a str)> {
    labels.iter().map(|(name, value)| (names::underscored(name), *value)).collect()
}

/// OpenMetrics rewritten as the format before it: there a description names the sample, with its
/// suffix; information is a gauge; and there are neither units nor an end.
fn classic(text: &str) -> String {
    let suffix = |name: &str| {
        let of = |kind: &str| text.contains(&format!("# TYPE {name} {kind}\n"));
        if of("counter") {
            "_total"
        } else if of("info") {
            "_info"
        } else {
            ""
        }
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "EOF"] | ["#", "UNIT", ..] => {}
            ["#", what, name, rest] => {
                let rest = if (what, rest) == ("TYPE", "info") { "gauge" } else { rest };
                out.push_str(&format!("# {what} {name}{} {rest}\n", suffix(name)));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::record::Outcome;

    use super::*;
    use crate::telemetry::names::Method;
    use crate::telemetry::numbers::Ended;

    fn numbers() -> Arc<Numbers> {
        let numbers = Numbers::new(&["a_read"], &[]);
        numbers.begin();
        numbers.end(&Ended {
            method: Method::ToolsCall,
            name: Some("a_read"),
            outcome: Outcome::Done,
            error: None,
            duration: Duration::from_millis(3),
            bytes: 10,
        });
        numbers.set_policy("abc");
        Arc::new(numbers)
    }

    fn check(format: Format, lines: &[&str]) {
        let text = text("a", &numbers(), format);
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn open_metrics_has_units_and_an_end() {
        check(
            Format::OpenMetrics,
            &[
                "# TYPE suite_calls counter",
                "suite_calls_total{suite_server=\"a\",mcp_method_name=\"tools/call\",gen_ai_tool_name=\"a_read\",suite_outcome=\"done\"} 1",
                "# UNIT mcp_server_operation_duration_seconds seconds",
                "mcp_server_operation_duration_seconds_bucket{suite_server=\"a\",le=\"0.005\",mcp_method_name=\"tools/call\",gen_ai_tool_name=\"a_read\"} 1",
                "suite_result_tokens_total{suite_server=\"a\",mcp_method_name=\"tools/call\",gen_ai_tool_name=\"a_read\"} 4",
                "suite_policy_info{suite_server=\"a\",suite_policy_digest=\"abc\"} 1",
                "# EOF",
            ],
        );
    }

    #[test]
    fn the_older_format_describes_samples() {
        check(
            Format::Prometheus,
            &[
                "# TYPE suite_calls_total counter",
                "# TYPE suite_result_size_bytes_total counter",
                "# TYPE process_resident_memory_bytes gauge",
                "# TYPE suite_policy_info gauge",
            ],
        );
        let text = text("a", &numbers(), Format::Prometheus);
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    }

    #[test]
    fn the_format_is_the_one_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("*/*"), Format::Prometheus);
    }
}
