//! Requests of one kubectl run become one command.

use recording::{
    CommandSource,
    journal::{ApiRequest, JournalEvent},
};
use search::{HitKind, Query};

use crate::{
    Bench,
    library::{Session, entry, find, request, texts},
};

#[tokio::test]
async fn requests_of_one_run_are_one_command() {
    let mut bench = Bench::new();
    let discovery = ApiRequest { kubectl_session: "u1".to_owned(), ..ApiRequest::default() };
    let entries = [
        entry("ada", 0, JournalEvent::Request(discovery)),
        request("ada", 1, "u1", "web-0"),
        request("ada", 2, "u1", "web-1"),
        request("ada", 3, "u1", "web-0"),
    ];
    bench.library.journal("gw-1", 0, &entries).await;
    bench.step().await;
    let expected = "kubectl get pods web-0 web-1 -n default";
    assert_eq!(texts(&bench.index, "kubectl"), [expected]);
    let hit = find(&bench.index, "web-1").remove(0);
    assert_eq!((hit.kind, hit.source), (HitKind::Command, Some(CommandSource::Request)));
    assert_eq!((hit.namespace.as_str(), hit.pod.as_str()), ("default", "web-0"));
    assert_eq!(find(&bench.index, "pod:web-1").len(), 1, "every pod of the run is filtered by");
    let facets = bench.index.search(&Query { facets: true, ..Query::default() }).unwrap().facets;
    let pods: Vec<_> = facets.pods.iter().map(|pod| (pod.value.as_str(), pod.count)).collect();
    assert_eq!(pods, [("web-0", 1), ("web-1", 1)], "a count is of hits, however often one names a pod");
}

#[tokio::test]
async fn a_run_grows_over_objects_gateways_and_restarts() {
    let mut bench = Bench::new();
    bench.library.journal("gw-1", 0, &[request("ada", 1, "u1", "web-0")]).await;
    bench.step().await;
    assert_eq!(texts(&bench.index, "kubectl").len(), 1);
    bench.library.journal("gw-2", 0, &[request("ada", 2, "u1", "web-1")]).await;
    let mut bench = bench.restart();
    bench.step().await;
    bench.library.journal("gw-1", 1, &[request("ada", 3, "u1", "web-2")]).await;
    bench.step().await;
    let found = texts(&bench.index, "kubectl");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(["web-0", "web-1", "web-2"].iter().all(|pod| found[0].contains(pod)), "{found:?}");
}

#[tokio::test]
async fn two_people_with_the_same_run_id_are_never_joined() {
    let mut bench = Bench::new();
    let entries = [request("ada", 1, "same", "web-0"), request("mallory", 2, "same", "web-1")];
    bench.library.journal("gw-1", 0, &entries).await;
    bench.step().await;
    assert_eq!(texts(&bench.index, "user:ada"), ["kubectl get pods web-0 -n default"]);
    assert_eq!(texts(&bench.index, "user:mallory"), ["kubectl get pods web-1 -n default"]);
}

#[tokio::test]
async fn a_request_of_no_run_stands_for_itself() {
    let mut bench = Bench::new();
    let discovery = entry("ada", 0, JournalEvent::Request(ApiRequest::default()));
    let entries = [discovery, request("ada", 1, "", "web-0"), request("ada", 2, "", "web-1")];
    bench.library.journal("gw-1", 0, &entries).await;
    bench.step().await;
    let hits = find(&bench.index, "");
    assert_eq!(hits.iter().map(|hit| hit.kind).collect::<Vec<_>>(), [HitKind::Request, HitKind::Request]);
    assert_eq!(hits[0].text, "kubectl get pods web-1 -n default");
}

#[tokio::test]
async fn a_client_that_polls_is_one_hit_for_each_object_of_the_journal() {
    let mut bench = Bench::new();
    for object in 0..2 {
        let mut entries: Vec<_> = (0..100).map(|at| request("ada", at, "", "web-0")).collect();
        entries.push(request("bob", 7, "", "web-0"));
        bench.library.journal("gw-1", object, &entries).await;
    }
    bench.step().await;
    let polled = "kubectl get pods web-0 -n default (100 times)";
    assert_eq!(texts(&bench.index, "user:ada"), [polled, polled]);
    assert_eq!(texts(&bench.index, "user:bob").len(), 2);
}

#[tokio::test]
async fn a_run_leads_to_the_session_that_it_opened() {
    let mut bench = Bench::new();
    let id = bench.library.begin(&Session::default()).await;
    let get = request("ada", 0, "u1", "web-0");
    let JournalEvent::Request(mut exec) = get.what.clone() else { unreachable!() };
    exec.verb = "exec".to_owned();
    exec.kubectl_command = "kubectl exec".to_owned();
    let opened = entry("ada", 1, JournalEvent::SessionOpened { session: id, request: exec, grant: Box::default() });
    bench.library.journal("gw-1", 0, &[get, opened]).await;
    bench.step().await;
    let hit = find(&bench.index, "source:request").remove(0);
    assert_eq!(hit.session, Some(id));
}

#[tokio::test]
async fn refused_requests_are_found_by_their_reason() {
    let mut bench = Bench::new();
    let JournalEvent::Request(mut refused) = request("eve", 0, "", "web-0").what else { unreachable!() };
    refused.code = 403;
    refused.reason = "no rule of the policy allows it".to_owned();
    bench.library.journal("gw-1", 0, &[entry("eve", 0, JournalEvent::Refused(refused))]).await;
    bench.step().await;
    assert_eq!(texts(&bench.index, "\"no rule\" user:eve").len(), 1);
}
