//! Numbers that others count, read when somebody asks.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder},
    metrics::MetricType,
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
