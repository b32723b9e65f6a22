use crate::pages::visible_text::VisibleText;

/// Where something happened, for a page.
pub(crate) struct Target {
    pub(crate) cluster: VisibleText,
    pub(crate) namespace: VisibleText,
    pub(crate) pod: VisibleText,
    pub(crate) container: VisibleText,
}

impl Target {
    pub(crate) fn new(cluster: &str, namespace: &str, pod: &str, container: &str) -> Self {
        let shown = |text| VisibleText::clipped(text, 260);
        Self { cluster: shown(cluster), namespace: shown(namespace), pod: shown(pod), container: shown(container) }
    }
}
