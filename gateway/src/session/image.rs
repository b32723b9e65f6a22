//! Which image a session's container runs: the gateway asks the API server once the session has begun, as the person and
//! with their rights. No byte of the session waits for the answer. Without one the recording does not name the image.

use std::{net::IpAddr, sync::Arc};

use access::Permit;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use recorder::Recording;
use serde::Deserialize;
use tokio::{task::JoinHandle, time::timeout};
use wire::Subresource;

use super::sessions::Sessions;
use crate::proxy::upstream::{Cluster, Origin};

/// Longest answer: a pod is at most what etcd takes, 1.5 MiB by default.
const MAX_POD: usize = 4 << 20;
/// Longest reference of an image. What is longer, or has other than visible ASCII, is none.
const MAX_REFERENCE: usize = 1024;

/// Asks, and tells the recording. The task ends within [`crate::Limits::image`].
pub(super) fn ask(
    sessions: &Sessions,
    cluster: &Arc<Cluster>,
    permit: &Permit,
    path: &str,
    subresource: Subresource,
    recording: &Arc<Recording>,
    client: IpAddr,
) -> JoinHandle<()> {
    let limit = sessions.limits.image;
    let runs_something = matches!(subresource, Subresource::Exec | Subresource::Attach);
    let from = Origin { client, recording: None };
    let headers = cluster.request_headers(HeaderMap::new(), permit.impersonation(), from).ok();
    let headers = headers.filter(|_| runs_something && !limit.is_zero());
    let container = permit.target().container.clone();
    let (cluster, recording) = (Arc::clone(cluster), Arc::clone(recording));
    // The path up to the subresource is the pod's own.
    let path = path.rsplit_once('/').map(|(pod, _)| pod.to_owned());
    sessions.tasks.spawn(async move {
        let (Some(headers), Some(path)) = (headers, path) else { return };
        let answer = timeout(limit, pod(&cluster, &path, headers)).await;
        if let Some(image) = answer.ok().flatten().and_then(|pod| pod.image(&container)) {
            recording.set_image(image);
        }
    })
}

async fn pod(cluster: &Cluster, path: &str, headers: HeaderMap) -> Option<Pod> {
    let answer = cluster.get(path, headers).await?.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let body = Limited::new(answer.into_body(), MAX_POD).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

/// The parts of a pod that are looked at.
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
    /// The image of a container. If none is named, of the only one, which is the one that an API server then takes.
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
        (!image.is_empty() && image.len() <= MAX_REFERENCE && visible).then_some(image)
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
    fn none_if_it_is_not_sure_or_no_reference() {
        let two = r#"{"spec":{"containers":[{"name":"a","image":"a"},{"name":"b","image":"b"}]}}"#;
        assert_eq!(image(two, ""), None);
        let odd = r#"{"spec":{"containers":[{"name":"a","image":"a\u001b[2J"},{"name":"b"}]}}"#;
        assert_eq!((image(odd, "a"), image(odd, "b")), (None, None));
    }
}
