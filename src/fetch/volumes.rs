//! Volumes that have been mounted with success, so that their next mount is known to be a repeated one.
//!
//! Forgetting is always safe: an unknown volume reads from the cloud. Pure: time is an argument.

use std::time::Instant;

use sha2::digest::array::Array;
use sha2::digest::consts::U16;
use sha2::{Digest as _, Sha256};

use crate::limits;
use crate::params::Pod;
use crate::sync::BoundedMap;

/// A pod's volume: a digest of the pod, its ServiceAccount, the path that the driver fills, and the class's
/// parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Volume([u8; 16]);

impl Volume {
    /// The volume, if kubelet made `target_path` for this pod.
    ///
    /// Other clients, such as the sync controller, send one uid and one path for everything they read, so the same
    /// pair does not mean a repeated mount.
    pub fn new(pod: &Pod, target_path: &str, parameters: &[u8; 32]) -> Option<Self> {
        if !is_from_kubelet(target_path, &pod.uid) {
            return None;
        }
        let mut digest = Sha256::new();
        for text in [&pod.uid, &pod.namespace, &pod.service_account, target_path] {
            // The length separates each text from the next.
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        digest.update(parameters);
        let (volume, _): (Array<u8, U16>, _) = digest.finalize().split();
        Some(Self(volume.into()))
    }
}

/// Whether kubelet would make this path for a CSI volume of this pod, below any root directory:
/// `<root>/pods/<uid>/volumes/kubernetes.io~csi/<name>/mount`. kubelet's paths are absolute and clean (Go's
/// `filepath.Join`).
fn is_from_kubelet(path: &str, uid: &str) -> bool {
    let is_component = |text: &str| !matches!(text, "" | "." | "..");
    let mut last = path.rsplit('/');
    path.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_component))
        && last.next() == Some("mount")
        && last.next().is_some()
        && last.next() == Some("kubernetes.io~csi")
        && last.next() == Some("volumes")
        && last.next() == Some(uid)
        && last.next() == Some("pods")
}

/// When the known volumes were last mounted. Bounded in number; those not seen for the longest time are removed
/// first.
pub(super) struct Volumes {
    seen: BoundedMap<Volume, Instant>,
}

impl Volumes {
    /// An empty list.
    pub(super) fn new() -> Self {
        Self {
            seen: BoundedMap::new(limits::VOLUMES),
        }
    }

    /// Whether it was mounted with success, not too long ago.
    pub(super) fn knows(&self, volume: &Volume, now: Instant) -> bool {
        let seen = self.seen.peek(volume);
        seen.is_some_and(|seen| now < *seen + limits::VOLUME_FORGOTTEN)
    }

    /// Marks it as mounted with success.
    pub(super) fn mounted(&mut self, volume: &Volume, now: Instant) {
        self.seen.insert(*volume, now);
        while self
            .seen
            .iter()
            .next()
            .is_some_and(|(oldest, _)| !self.knows(oldest, now))
        {
            self.seen.pop_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    fn volume(uid: &str, name: &str) -> Volume {
        let pod = Pod {
            uid: uid.to_owned(),
            ..Pod::default()
        };
        let path = format!("/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/{name}/mount");
        Volume::new(&pod, &path, &[0; 32]).expect("a volume")
    }

    #[test]
    fn known_by_uid_and_path_for_a_while() {
        let start = SystemClock.now();
        let mut volumes = Volumes::new();
        assert!(!volumes.knows(&volume("u", "p"), start));
        volumes.mounted(&volume("u", "p"), start);
        assert!(volumes.knows(&volume("u", "p"), start));
        assert!(!volumes.knows(&volume("u", "q"), start));
        assert!(!volumes.knows(&volume("v", "p"), start));
        let end = start + limits::VOLUME_FORGOTTEN;
        assert!(!volumes.knows(&volume("u", "p"), end));
        volumes.mounted(&volume("v", "p"), end);
        assert_eq!(volumes.seen.len(), 1, "those whose time is over leave");
    }

    #[test]
    fn the_longest_unseen_make_room() {
        let start = SystemClock.now();
        let mut volumes = Volumes::new();
        for uid in 0..limits::VOLUMES {
            volumes.mounted(&volume(&uid.to_string(), "p"), start);
        }
        let later = start + Duration::from_secs(1);
        volumes.mounted(&volume("0", "p"), later);
        volumes.mounted(&volume("new", "p"), later);
        assert_eq!(volumes.seen.len(), limits::VOLUMES);
        assert!(volumes.knows(&volume("0", "p"), later) && volumes.knows(&volume("new", "p"), later));
        assert!(!volumes.knows(&volume("1", "p"), later));
    }

    #[test]
    fn only_a_path_that_kubelet_makes_for_the_pod_is_a_volume() {
        const UID: &str = "5d3b1a52-6e0d-4b5e-9d0e-0e7f5c1f3a10";
        let kubelets = [
            // Any root directory, any one name.
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "/pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "/data/k 8s/pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "/pods/UID/volumes/kubernetes.io~csi/x/pods/UID/volumes/kubernetes.io~csi/y/mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/a~b.c/mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/mount/mount",
        ];
        let others = [
            // Paths of other clients.
            "/mnt/secrets-store",
            "",
            "/",
            "mount",
            "/mount",
            "UID",
            "/tmp/UID/mount",
            // Another pod's path.
            "/var/lib/kubelet/pods/5d3b1a52/volumes/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/pods/xUID/volumes/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/pods/UIDx/volumes/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/pods//volumes/kubernetes.io~csi/secrets/mount",
            "/UID/pods/x/volumes/kubernetes.io~csi/secrets/mount",
            // A missing, different or additional component.
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi//mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/a/b/mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~nfs/secrets/mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount-2",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/xmount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/Mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount/x",
            "/var/lib/kubelet/pods/UID/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/xpods/UID/volumes/kubernetes.io~csi/secrets/mount",
            // Not as kubelet writes it.
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount/",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount\0",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/secrets//mount",
            "/var/lib//kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "//pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "kubelet/pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/./mount",
            "/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/../mount",
            "/var/lib/kubelet/./pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/../pods/UID/volumes/kubernetes.io~csi/secrets/mount",
            "/var/lib/kubelet/pods/x/../UID/volumes/kubernetes.io~csi/secrets/mount",
        ];
        let kubelets = kubelets.map(|path| (path, true));
        for (path, expected) in kubelets.into_iter().chain(others.map(|path| (path, false))) {
            let path = path.replace("UID", UID);
            assert_eq!(is_from_kubelet(&path, UID), expected, "{path:?}");
            assert!(!is_from_kubelet(&path, ""), "{path:?} without a uid");
            assert!(!is_from_kubelet(&path, &UID.to_uppercase()), "{path:?}");
        }
        for uid in [
            "",
            ".",
            "..",
            "a/b",
            "/",
            "x/volumes/kubernetes.io~csi/y/mount/pods/x",
        ] {
            let path = format!("/kubelet/pods/{uid}/volumes/kubernetes.io~csi/secrets/mount");
            assert!(!is_from_kubelet(&path, uid), "{uid:?}");
        }
    }

    /// A change of any part gives another volume.
    #[test]
    fn everything_that_makes_a_volume_is_in_its_key() {
        let pod = |uid: &str, namespace: &str, service_account: &str| Pod {
            namespace: namespace.to_owned(),
            name: "web-0".to_owned(),
            uid: uid.to_owned(),
            service_account: service_account.to_owned(),
        };
        let key = |pod: &Pod, root: &str, name: &str, parameters: u8| {
            let path = format!("{root}/pods/{}/volumes/kubernetes.io~csi/{name}/mount", pod.uid);
            Volume::new(pod, &path, &[parameters; 32]).expect("a volume")
        };
        let same = || key(&pod("u", "ns", "web"), "", "v", 0);
        assert_eq!(same(), same());
        let mut renamed = pod("u", "ns", "web");
        renamed.name.clear();
        assert_eq!(key(&renamed, "", "v", 0), same(), "the uid tells pods apart");
        let all = [
            same(),
            key(&pod("w", "ns", "web"), "", "v", 0),
            key(&pod("u", "other", "web"), "", "v", 0),
            key(&pod("u", "ns", "other"), "", "v", 0),
            key(&pod("u", "nsw", "eb"), "", "v", 0),
            key(&pod("u", "", "nsweb"), "", "v", 0),
            key(&pod("u", "ns", ""), "", "v", 0),
            key(&pod("u", "ns", "web"), "/root", "v", 0),
            key(&pod("u", "ns", "web"), "", "w", 0),
            key(&pod("u", "ns", "web"), "", "v", 1),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
