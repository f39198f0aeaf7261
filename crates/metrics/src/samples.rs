//! Numbers that others count, read when somebody asks.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{text::encode, DescriptorEncoder, MetricEncoder},
    metrics::MetricType,
    registry::Registry,
};

/// One number, with the labels that tell it from others of its name.
pub type Labelled = (Vec<(&'static str, String)>, f64);

/// Labels of examples, of which there are none.
type NoExemplar = [(&'static str, &'static str); 0];

/// What a number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It only grows; its name gets the suffix `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The numbers of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// What it counts, and in which unit.
    pub help: &'static str,
    /// What it does.
    pub value: Value,
    /// The numbers.
    pub numbers: Vec<Labelled>,
}

impl Sample {
    /// A single number that only grows.
    pub fn counter(name: &'static str, help: &'static str, number: f64) -> Self {
        Self { name, help, value: Value::Counter, numbers: vec![(Vec::new(), number)] }
    }

    /// A single number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, number: f64) -> Self {
        Self { name, help, value: Value::Gauge, numbers: vec![(Vec::new(), number)] }
    }
}

/// Reads samples whenever metrics are asked for.
pub struct Samples(Box<dyn Fn() -> Vec<Sample> + Send + Sync>);

impl Samples {
    /// Calls `read` for each answer.
    pub fn new(read: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> Box<Self> {
        Box::new(Self(Box::new(read)))
    }
}

/// Writes samples as a text of their own, for [`MetricsConfig::others`](crate::MetricsConfig::others).
pub fn exposition(prefix: &str, samples: Vec<Sample>) -> String {
    let mut registry = Registry::with_prefix(prefix);
    registry.register_collector(Samples::new(move || samples.clone()));
    let mut text = String::new();
    // Memory takes everything that is written.
    let _ = encode(&mut text, &registry);
    text
}

impl fmt::Debug for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Samples")
    }
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)().iter().try_for_each(|sample| sample.encode(&mut encoder))
    }
}

impl Sample {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.value {
            Value::Counter => MetricType::Counter,
            Value::Gauge => MetricType::Gauge,
        };
        // As a registry does with what is registered itself.
        let help = format!("{}.", self.help);
        let mut metric = encoder.encode_descriptor(self.name, &help, None, kind)?;
        for (labels, number) in &self.numbers {
            let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            match labels.as_slice() {
                [] => self.encode_number(&mut metric, *number)?,
                _ => self.encode_number(&mut metric.encode_family(&labels)?, *number)?,
            }
        }
        Ok(())
    }

    fn encode_number(&self, encoder: &mut MetricEncoder<'_>, number: f64) -> fmt::Result {
        match self.value {
            Value::Counter => encoder.encode_counter::<NoExemplar, _, f64>(&number, None),
            Value::Gauge => encoder.encode_gauge(&number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_a_text_of_their_own() {
        let text = exposition(
            "here",
            vec![Sample::counter("apples", "Apples", 3.0), Sample::gauge("pears", "Pears", 4.0)],
        );
        for line in ["here_apples_total 3.0", "here_pears 4.0", "# TYPE here_apples counter"] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
