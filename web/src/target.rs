use crate::shown::Shown;

/// Where something happened, for a page.
pub(crate) struct Target {
    pub(crate) cluster: Shown,
    pub(crate) namespace: Shown,
    pub(crate) pod: Shown,
    pub(crate) container: Shown,
}

impl Target {
    pub(crate) fn new(cluster: &str, namespace: &str, pod: &str, container: &str) -> Self {
        let shown = |text| Shown::clipped(text, 260);
        Self { cluster: shown(cluster), namespace: shown(namespace), pod: shown(pod), container: shown(container) }
    }
}
