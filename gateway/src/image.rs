//! Which image a session's container runs: asked of the API server once the session has begun, as the person and with
//! their rights. No byte of the session waits for the answer, and without one the recording says nothing of it.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use recorder::Recording;
use serde::Deserialize;
use tokio::{task::JoinHandle, time::timeout};
use wire::Subresource;

use crate::{admit::Authorized, gateway::Shared, plain, upstream::Cluster};

/// A pod is at most what etcd takes, 1.5 MiB by default.
const POD: usize = 4 << 20;
/// References of images are shorter; what is longer, or not of visible ASCII, is none.
const REFERENCE: usize = 1024;

/// The answer goes into the recording by itself; whoever finishes the recording waits for it, which is at most
/// [`crate::Limits::image`] after the session began.
pub(crate) fn ask(
    shared: &Shared,
    admitted: &Authorized,
    of: Subresource,
    recording: &Arc<Recording>,
) -> JoinHandle<()> {
    let patience = shared.limits.image;
    let runs_something = matches!(of, Subresource::Exec | Subresource::Attach);
    let headers = plain::own(HeaderMap::new(), admitted).ok().filter(|_| runs_something && !patience.is_zero());
    let target = admitted.permit.target().clone();
    let (cluster, recording) = (Arc::clone(&admitted.cluster), Arc::clone(recording));
    // The path up to the subresource is the pod's own.
    let path = admitted.path.rsplit_once('/').map(|(pod, _)| pod.to_owned());
    shared.tasks.spawn(async move {
        let (Some(headers), Some(path)) = (headers, path) else { return };
        let asked = timeout(patience, pod(&cluster, &path, headers)).await;
        if let Some(image) = asked.ok().flatten().and_then(|pod| pod.image(&target.container)) {
            recording.set_image(image);
        }
    })
}

async fn pod(cluster: &Cluster, path: &str, headers: HeaderMap) -> Option<Pod> {
    let answer = cluster.get(path, headers).await?.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let body = Limited::new(answer.into_body(), POD).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

/// What of a pod is looked at.
#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    image: String,
}

impl Pod {
    /// The image of a container; of the only one where none was named, which is the one that an API server then takes.
    fn image(self, container: &str) -> Option<String> {
        let Spec { mut containers, init_containers, ephemeral_containers } = self.spec;
        let image = match container {
            "" if containers.len() == 1 => containers.pop()?.image,
            name => {
                let mut all = containers.into_iter().chain(init_containers).chain(ephemeral_containers);
                all.find(|container| container.name == name)?.image
            }
        };
        let visible = image.bytes().all(|byte| byte.is_ascii_graphic());
        (!image.is_empty() && image.len() <= REFERENCE && visible).then_some(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pod: &str, container: &str) -> Option<String> {
        serde_json::from_str::<Pod>(pod).unwrap().image(container)
    }

    #[test]
    fn of_every_kind_of_container() {
        let pod = r#"{"kind":"Pod","spec":{"nodeName":"n","containers":[{"name":"app","image":"app:1"}],
            "initContainers":[{"name":"init","image":"init:2"}],"ephemeralContainers":[{"name":"dbg","image":"busybox"}]}}"#;
        for (container, wanted) in [("app", "app:1"), ("init", "init:2"), ("dbg", "busybox"), ("", "app:1")] {
            assert_eq!(image(pod, container).as_deref(), Some(wanted));
        }
        assert_eq!(image(pod, "other"), None);
    }

    #[test]
    fn none_where_it_is_not_sure_or_no_reference() {
        let two = r#"{"spec":{"containers":[{"name":"a","image":"a"},{"name":"b","image":"b"}]}}"#;
        assert_eq!(image(two, ""), None);
        let odd = r#"{"spec":{"containers":[{"name":"a","image":"a\u001b[2J"},{"name":"b"}]}}"#;
        assert_eq!((image(odd, "a"), image(odd, "b")), (None, None));
    }
}
