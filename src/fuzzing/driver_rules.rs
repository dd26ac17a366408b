//! The driver's rules for paths a second time, from its own description of them: what tests and fuzzing hold our
//! own against.

/// What `validatePath` and `Validate` of the driver check, and the provider's own two rules.
pub(crate) fn driver_accepts(path: &str) -> bool {
    let components: Vec<&str> = path.split('/').collect();
    let relative = !path.is_empty() && !path.starts_with('/');
    let short = path.len() <= 4096 && components.iter().all(|component| component.len() <= 255);
    let inside = !components.contains(&"..") && !path.starts_with("..");
    relative && short && inside && clean(path) == path && path != "." && !path.contains('\0')
}

/// Go's `filepath.Clean`, for relative paths.
fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    if kept.is_empty() {
        ".".to_owned()
    } else {
        kept.join("/")
    }
}
