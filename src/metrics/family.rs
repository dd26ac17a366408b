//! Metric families: a name, its help and one metric for each combination of label values, all known from the start.

use super::kind::{Counter, Gauge, Histogram};
use super::text::Text;

/// A metric in a family.
pub(super) trait Metric: Default {
    /// The type in the exposition.
    const KIND: &'static str;
    /// Writes the samples of one combination of labels.
    fn write(&self, text: &mut Text, labels: &[(&'static str, &str)]);
}

/// A family whose series have `N` labels.
pub(super) struct Family<M, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    series: Vec<([&'static str; N], M)>,
    /// Counts combinations that are not listed; never written.
    stray: M,
}

impl<M: Metric, const N: usize> Family<M, N> {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        values: impl IntoIterator<Item = [&'static str; N]>,
    ) -> Self {
        Self {
            name,
            help,
            labels,
            series: values.into_iter().map(|values| (values, M::default())).collect(),
            stray: M::default(),
        }
    }

    pub(super) fn of(&self, values: [&str; N]) -> &M {
        let listed = self.series.iter().find(|(listed, _)| *listed == values);
        listed.map_or(&self.stray, |(_, metric)| metric)
    }

    pub(super) fn write(&self, text: &mut Text) {
        self.write_those(text, |_| true);
    }

    /// Writes the family with the series that `is_shown` selects.
    pub(super) fn write_those(&self, text: &mut Text, is_shown: impl Fn(&M) -> bool) {
        text.family(M::KIND, self.name, self.help);
        for (values, metric) in self.series.iter().filter(|(_, metric)| is_shown(metric)) {
            let labels: Vec<_> = self.labels.into_iter().zip(values.iter().copied()).collect();
            metric.write(text, &labels);
        }
    }
}

impl<M: Metric> Family<M, 0> {
    /// A family without labels.
    pub(super) fn single(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, [], [[]])
    }
}

impl<M: Metric> Family<M, 1> {
    /// A family with one label.
    pub(super) fn by(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[&'static str],
    ) -> Self {
        Self::new(name, help, [label], values.iter().map(|value| [*value]))
    }
}

impl Metric for Counter {
    const KIND: &'static str = "counter";

    fn write(&self, text: &mut Text, labels: &[(&'static str, &str)]) {
        text.value(labels, self.value());
    }
}

impl Metric for Gauge {
    const KIND: &'static str = "gauge";

    fn write(&self, text: &mut Text, labels: &[(&'static str, &str)]) {
        text.value(labels, self.value());
    }
}

impl Metric for Histogram {
    const KIND: &'static str = "histogram";

    fn write(&self, text: &mut Text, labels: &[(&'static str, &str)]) {
        text.buckets(labels, self);
    }
}
