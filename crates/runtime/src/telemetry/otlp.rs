//! Traces and the same numbers by OTLP, where servers.toml names a collector. Exported from
//! threads of their own, in batches: no call waits for a collector, and none fails with it.

mod courier;
mod span;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};

use self::courier::{Courier, PATIENCE};
use super::collector::Collector;
use super::names::{self, BUCKETS, DURATION, DURATION_HELP, METRICS, Metric, Shape};
use super::numbers::{Ended, Label, Numbers};
use crate::redact::Redactor;

pub(crate) use self::span::Told;

/// How often numbers are sent.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);

/// How long finished calls wait for others to be sent with.
const DELAY: Duration = Duration::from_secs(5);

/// How many finished calls are kept until they are sent; beyond it they are dropped, never waited
/// for.
const QUEUE: usize = 8_192;

/// The two exporters.
pub(super) struct Otlp {
    courier: Courier,
    tracers: SdkTracerProvider,
    tracer: SdkTracer,
    meters: SdkMeterProvider,
    durations: Histogram<f64>,
    redactor: Redactor,
}

impl Otlp {
    /// Starts them.
    pub(super) fn start(
        collector: &Collector,
        server: &str,
        process: &str,
        numbers: &Arc<Numbers>,
        redactor: &Redactor,
    ) -> Result<Self, String> {
        let courier = Courier::new(collector)?;
        let resource = resource(collector, server, process, redactor);
        let wrong = |error: ExporterBuildError| error.to_string();
        let spans = SpanExporter::builder()
            .with_http()
            .with_http_client(courier.clone())
            .with_endpoint(collector.address("/v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(wrong)?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_http_client(courier.clone())
            .with_endpoint(collector.address("/v1/metrics"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(wrong)?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(DELAY)
            .build();
        let tracers = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            // A caller that traces decides whether its calls are traced; all others are.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_span_processor(
                BatchSpanProcessor::builder(spans).with_batch_config(batches).build(),
            )
            .build();
        let meters = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(PeriodicReader::builder(metrics).with_interval(INTERVAL).build())
            .build();
        let meter = meters.meter_with_scope(scope());
        for metric in METRICS {
            observe(&meter, metric, numbers);
        }
        let durations = meter
            .f64_histogram(DURATION)
            .with_description(DURATION_HELP)
            .with_unit("s")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        let tracer = tracers.tracer_with_scope(scope());
        Ok(Self { courier, tracers, tracer, meters, durations, redactor: redactor.clone() })
    }

    /// Tells of one call that ended.
    pub(super) fn tell(&self, ended: &Ended, told: &Told<'_>) {
        self.durations.record(ended.duration.as_secs_f64(), &span::dimensions(ended));
        span::end(&self.tracer, ended, told, &self.redactor);
    }

    /// Sends what is left, once. Blocks until it arrived or the collector did not answer.
    pub(super) fn stop(&self) {
        self.courier.close();
        // What fails was said by the courier.
        let _ = self.tracers.shutdown_with_timeout(PATIENCE);
        let _ = self.meters.shutdown_with_timeout(PATIENCE);
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("suite").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// Which process this is. Names of people, files and machines are not part of it unless the
/// operator says so.
fn resource(collector: &Collector, server: &str, process: &str, redactor: &Redactor) -> Resource {
    let own = collector.resource().iter().map(|(name, value)| {
        let value = redactor.text(value).unwrap_or_else(|| value.clone());
        KeyValue::new(name.clone(), value)
    });
    Resource::builder_empty()
        .with_attributes(own)
        .with_service_name(format!("suite-{server}"))
        .with_attribute(KeyValue::new("service.namespace", "suite"))
        .with_attribute(KeyValue::new("service.instance.id", process.to_owned()))
        .with_attribute(KeyValue::new(names::VERSION, env!("CARGO_PKG_VERSION")))
        .build()
}

/// Has a metric read whenever numbers are sent.
fn observe(meter: &Meter, metric: &'static Metric, numbers: &Arc<Numbers>) {
    let numbers = Arc::clone(numbers);
    let (name, help, unit) = (metric.name, metric.help, metric.unit);
    let read = move |observe: &mut dyn FnMut(u64, &[KeyValue])| {
        numbers.read(metric.fact, &mut |labels, number| observe(number, &keys(labels)));
    };
    match metric.shape {
        Shape::Counter => {
            let counter = meter.u64_observable_counter(name).with_description(help).with_unit(unit);
            let read = move |observer: &dyn AsyncInstrument<u64>| {
                read(&mut |number, keys| observer.observe(number, keys));
            };
            counter.with_callback(read).build();
        }
        Shape::Gauge | Shape::Information => {
            let gauge = meter.u64_observable_gauge(name).with_description(help).with_unit(unit);
            let read = move |observer: &dyn AsyncInstrument<u64>| {
                read(&mut |number, keys| observer.observe(number, keys));
            };
            gauge.with_callback(read).build();
        }
        Shape::Time => {
            let gauge = meter.f64_observable_gauge(name).with_description(help).with_unit(unit);
            let read = move |observer: &dyn AsyncInstrument<f64>| {
                read(&mut |number, keys| observer.observe(names::seconds(number), keys));
            };
            gauge.with_callback(read).build();
        }
    }
}

/// Labels as attributes.
fn keys(labels: &[Label<'_>]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect()
}
