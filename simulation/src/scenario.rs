//! The scenario to simulate.

use std::fmt;

/// A cluster, its secrets, and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Nodes.
    pub(crate) nodes: u32,
    /// Pods on each, with a volume each.
    pub(crate) pods: u32,
    /// Objects in each volume.
    pub(crate) objects: u32,
    /// The fraction of a pod's objects that all pods of the cluster share, 0 to 1. The others are the pod's own.
    pub(crate) common: f64,
    /// Time between two checks of a volume by kubelet: this long, or up to a fifth longer.
    pub(crate) republish_seconds: u32,
    /// The provider's refresh interval; 0 for none.
    pub(crate) refresh_seconds: u32,
    /// Calls per second that the cloud allows for the account and region.
    pub(crate) quota: f64,
    /// Latency of the cloud's answers.
    pub(crate) latency_millis: u32,
    /// In the middle, the cloud answers 503 for this long; 0 for never.
    pub(crate) outage_seconds: u32,
    /// Measured virtual time, after every pod has been mounted once.
    pub(crate) seconds: u32,
    /// Seed of the random numbers.
    pub(crate) seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            nodes: 1000,
            pods: 100,
            objects: 5,
            common: 1.0,
            republish_seconds: 68,
            refresh_seconds: 60,
            quota: 450.0,
            latency_millis: 20,
            outage_seconds: 0,
            seconds: 600,
            seed: 1,
        }
    }
}

impl Scenario {
    /// Reads `name=value` arguments over the defaults.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut scenario = Self::default();
        for argument in arguments {
            let (name, value) = argument
                .split_once('=')
                .ok_or_else(|| format!("{argument}: expected name=value"))?;
            let set = match name {
                "nodes" => set(&mut scenario.nodes, value),
                "pods" => set(&mut scenario.pods, value),
                "objects" => set(&mut scenario.objects, value),
                "common" => set(&mut scenario.common, value),
                "republish_seconds" => set(&mut scenario.republish_seconds, value),
                "refresh_seconds" => set(&mut scenario.refresh_seconds, value),
                "quota" => set(&mut scenario.quota, value),
                "latency_millis" => set(&mut scenario.latency_millis, value),
                "outage_seconds" => set(&mut scenario.outage_seconds, value),
                "seconds" => set(&mut scenario.seconds, value),
                "seed" => set(&mut scenario.seed, value),
                _ => {
                    return Err(format!(
                        "{name}: unknown setting; expected one of {}",
                        Self::NAMES
                    ));
                }
            };
            set.ok_or_else(|| format!("{argument}: expected a number"))?;
        }
        Ok(scenario)
    }

    const NAMES: &'static str = "nodes, pods, objects, common, republish_seconds, refresh_seconds, quota, latency_millis, outage_seconds, seconds, seed";
}

fn set<T: std::str::FromStr>(place: &mut T, value: &str) -> Option<()> {
    *place = value.parse().ok()?;
    Some(())
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pods per node, {} objects per pod, {:.0} % of them shared by the cluster, kubelet checks every {} to {} s,\nrefresh interval {} s, quota {} calls/s, latency {} ms; {} s of virtual time in steady state,\na value is rotated after a quarter of them",
            self.pods,
            self.objects,
            100.0 * self.common,
            self.republish_seconds,
            self.republish_seconds + self.republish_seconds / 5,
            self.refresh_seconds,
            self.quota,
            self.latency_millis,
            self.seconds,
        )
    }
}
