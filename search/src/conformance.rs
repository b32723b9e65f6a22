//! What every [`Backend`] must do. The one suite that all implementations are run against; it panics if one does not
//! conform.
//!
//! It writes as a follower does, batches and commits with a checkpoint, and reads as the pages do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{Timestamp, Zoned};
use recording::{CommandSource, Micros, Outcome, RecordingId, UnixMicros, cast::SessionKind, journal::ApiRequest};
use uuid::Uuid;

use crate::{
    SearchError,
    backend::{Backend, Batch},
    documents::{
        CommandDocument, Document, DocumentGroup, RequestDocument,
        hit::{Facet, Hits},
        kubectl_run::KubectlRun,
        mask::Masks,
        passage::{OutputPassage, OutputStage},
        request_line::RequestLine,
        session::{SessionContext, SessionRow},
    },
    query::{
        Order, Query,
        cursor::HitCursor,
        filter::{HitKind, OutcomeFilter, SessionFilter},
    },
};

/// 2026-11-22T10:00:00Z
const MORNING: UnixMicros = UnixMicros::new(1_795_341_600_000_000);
const HOUR: Duration = hours(1);
/// More documents than are counted, and than can be paged to by offset.
const MANY: u64 = 10_500;

/// Runs everything on an empty backend.
///
/// # Panics
/// If the backend does not conform; the message says in what.
pub async fn check(backend: Arc<dyn Backend>) {
    let suite = Suite { backend, corpus: corpus() };
    suite.an_empty_index_answers().await;
    suite.a_commit_shows_what_was_applied_and_keeps_the_checkpoint().await;
    suite.what_was_rolled_back_is_gone().await;
    suite.text_is_found().await;
    suite.filters_narrow().await;
    suite.fields_of_the_query_narrow().await;
    suite.what_cannot_be_read_is_explained().await;
    suite.hits_say_where_they_are_from().await;
    suite.hits_come_in_order_and_in_pages().await;
    suite.hits_are_counted_by_value().await;
    suite.sessions_are_listed().await;
    suite.values_are_listed().await;
    suite.finished_sessions_are_told_apart().await;
    suite.a_group_is_replaced_as_a_whole().await;
    suite.a_growing_passage_is_replaced().await;
    suite.a_run_is_read_back_and_replaced().await;
    suite.cursors_go_on_beyond_what_is_counted().await;
    suite.a_closed_index_cannot_be_written().await;
}

struct Suite {
    backend: Arc<dyn Backend>,
    /// By the name that the checks call it.
    corpus: BTreeMap<&'static str, Document>,
}

/// Sessions of three people, their commands and output, a run and a request.
fn corpus() -> BTreeMap<&'static str, Document> {
    let (ada, bob, eve) = (ada(), bob(), eve());
    BTreeMap::from([
        ("ada", Document::session(&ada)),
        ("bash", command(&ada, 0, CommandSource::Argv, "bash -l")),
        ("delete", command(&ada, 1, CommandSource::Typed, "kubectl delete pod nginx-7d4b9 --force")),
        ("cat", command(&ada, 2, CommandSource::Typed, "Cat /etc/passwd")),
        ("echo", command(&ada, 3, CommandSource::Typed, "echo 使用漢字的")),
        ("refused", passage(&ada, OutputStage::Final, 0, &["$ ls", "connection to 10.0.3.7 refused"])),
        ("bob", Document::session(&bob)),
        ("ls", command(&bob, 0, CommandSource::Argv, "ls /etc/nginx")),
        ("rm", passage(&bob, OutputStage::Final, 0, &["rm -rf /var/tmp"])),
        ("eve", Document::session(&eve)),
        ("run", Document::Run(run(&["web-0", "web-1"]))),
        ("request", request()),
    ])
}

fn ada() -> SessionRow {
    SessionRow {
        id: id(1),
        kind: SessionKind::Exec,
        user: "Ada".to_owned(),
        cluster: "prod".to_owned(),
        namespace: "default".to_owned(),
        pod: "web-0".to_owned(),
        container: "app".to_owned(),
        image: "registry.example.com/web:1.27".to_owned(),
        argv: vec!["bash".to_owned(), "-l".to_owned()],
        command: "bash -l".to_owned(),
        tty: true,
        started: time(MORNING),
        ended: Some(time(MORNING + Duration::from_secs(60))),
        duration: Some(Micros::from_secs(60)),
        outcome: Some(Outcome::Exited { exit_code: 0 }),
        gateway: "gw-1".to_owned(),
        client: "10.1.2.3:4567".to_owned(),
    }
}

fn bob() -> SessionRow {
    SessionRow {
        id: id(2),
        user: "bob".to_owned(),
        cluster: "test".to_owned(),
        namespace: "kube-system".to_owned(),
        pod: "dns-1".to_owned(),
        container: "dns".to_owned(),
        image: "docker.io/coredns:1.11".to_owned(),
        tty: false,
        started: time(MORNING + HOUR),
        outcome: Some(Outcome::Exited { exit_code: 3 }),
        ..ada()
    }
}

/// A live session.
fn eve() -> SessionRow {
    SessionRow {
        id: id(3),
        kind: SessionKind::Attach,
        user: "eve".to_owned(),
        image: String::new(),
        started: time(MORNING + hours(24)),
        ended: None,
        duration: None,
        outcome: None,
        ..ada()
    }
}

/// Ids in order of time, as UUIDs of version 7 are.
fn id(number: u128) -> RecordingId {
    RecordingId(Uuid::from_u128(0x019a_a9f2_5c00_7000_8000_0000_0000_0000 + number))
}

const fn hours(number: u64) -> Duration {
    Duration::from_hours(number)
}

fn time(at: UnixMicros) -> Timestamp {
    at.timestamp().expect("a time of this century")
}

fn now() -> Zoned {
    "2026-11-22T12:00:00+01:00[Europe/Berlin]".parse().expect("a time")
}

fn command(row: &SessionRow, second: u64, source: CommandSource, text: &str) -> Document {
    let (session, text) = (SessionContext::of(row), text.to_owned());
    Document::Command(CommandDocument { session, offset: Micros::from_secs(second), source, text })
}

/// Lines of which each appeared a second after the one before.
fn passage(row: &SessionRow, stage: OutputStage, number: u32, lines: &[&str]) -> Document {
    let lines = (10_u64..).zip(lines).map(|(second, line)| (Micros::from_secs(second), (*line).to_owned())).collect();
    Document::Output(OutputPassage { session: SessionContext::of(row), number, stage, lines })
}

fn api_request(verb: &str, resource: &str, name: &str, code: u16) -> ApiRequest {
    let mut request = ApiRequest { verb: verb.to_owned(), code, ..ApiRequest::default() };
    request.target.cluster = "prod".to_owned();
    request.target.namespace = "default".to_owned();
    request.target.resource = resource.to_owned();
    request.target.name = name.to_owned();
    request
}

/// A run of `kubectl get pods` with these names, two hours after [`MORNING`].
fn run(pods: &[&str]) -> KubectlRun {
    let masks = Masks::default();
    let of = |pod: &&str| ApiRequest {
        kubectl_session: "u-1".to_owned(),
        kubectl_command: "kubectl get".to_owned(),
        ..api_request("get", "pods", pod, 200)
    };
    let requests: Vec<ApiRequest> = pods.iter().map(of).collect();
    let mut run = KubectlRun::new("grace", &requests[0], MORNING + hours(2), &masks);
    for request in &requests {
        run.add(request, MORNING + hours(2), None, &masks);
    }
    run
}

/// A refused request, three hours after [`MORNING`].
fn request() -> Document {
    let mut request = api_request("delete", "secrets", "db", 403);
    request.reason = "no rule allows it".to_owned();
    Document::Request(RequestDocument {
        key: "request:conformance:0".to_owned(),
        session: None,
        time: MORNING + hours(3),
        user: "mallory".to_owned(),
        cluster: "prod".to_owned(),
        line: RequestLine::new(&request, MORNING + hours(3), &Masks::default()),
        agent: "curl/8".to_owned(),
        times: 1,
    })
}

impl Suite {
    async fn apply(&self, fill: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::default();
        fill(&mut batch);
        self.backend.apply(batch).await.expect("a batch");
    }

    async fn commit(&self) {
        self.backend.commit("{}").await.expect("a commit");
    }

    async fn search(&self, query: &Query) -> Hits {
        self.backend.search(query).await.unwrap_or_else(|error| panic!("{query:?}: {error}"))
    }

    /// Names of the documents of the corpus that a query finds; other texts as they are.
    async fn found(&self, query: &Query) -> Vec<String> {
        let names: BTreeMap<String, &str> =
            self.corpus.iter().map(|(name, document)| (document.clone().into_hit(&[]).text, *name)).collect();
        let hits = self.search(&Query { now: Some(now()), ..query.clone() }).await.hits;
        let named =
            hits.into_iter().map(|hit| names.get(&hit.text).map_or(hit.text.clone(), |name| (*name).to_owned()));
        named.collect()
    }

    async fn finds(&self, text: &str, expected: &[&str]) {
        let mut found = self.found(&Query { text: text.to_owned(), ..Query::default() }).await;
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }

    async fn an_empty_index_answers(&self) {
        assert_eq!(self.search(&Query { facets: true, ..Query::default() }).await, Hits::default());
        let page = self.backend.sessions(&SessionFilter::default()).await.expect("a page");
        assert_eq!((page.rows.len(), page.next, page.total), (0, None, 0));
        assert_eq!(self.backend.session(id(1)).await.expect("an answer"), None);
        assert_eq!(self.backend.checkpoint().await.expect("an answer"), None);
        assert!(!self.backend.is_stale());
    }

    async fn a_commit_shows_what_was_applied_and_keeps_the_checkpoint(&self) {
        self.apply(|batch| batch.add(self.corpus.values().cloned())).await;
        self.backend.commit(r#"{"place":"1"}"#).await.expect("a commit");
        assert_eq!(self.search(&Query::default()).await.total, self.corpus.len());
        self.backend.commit(r#"{"place":"2"}"#).await.expect("a commit of nothing");
        assert_eq!(self.backend.checkpoint().await.expect("a checkpoint").as_deref(), Some(r#"{"place":"2"}"#));
    }

    async fn what_was_rolled_back_is_gone(&self) {
        let later = command(&ada(), 9, CommandSource::Typed, "only once");
        for _ in 0..2 {
            // The follower begins again from the checkpoint, and applies the same document.
            self.apply(|batch| batch.add([later.clone()])).await;
            self.backend.rollback().await.expect("a rollback");
        }
        self.apply(|batch| batch.add([later])).await;
        self.commit().await;
        self.finds("once", &["only once"]).await;
        self.apply(|batch| batch.replace_session(id(1), self.of_ada())).await;
        self.commit().await;
        self.finds("once", &[]).await;
    }

    /// Ada's session and its commands.
    fn of_ada(&self) -> Vec<Document> {
        ["ada", "bash", "delete", "cat", "echo"].map(|name| self.corpus[name].clone()).to_vec()
    }

    async fn text_is_found(&self) {
        let cases: [(&str, &[&str]); 30] = [
            ("cat", &["cat"]),
            ("PASSWD", &["cat"]),
            ("kubectl delete", &["delete", "request"]),
            ("delete kubectl", &["delete", "request"]),
            ("/etc/passwd", &["cat"]),
            ("10.0.3.7", &["refused"]),
            ("10-0-3-7", &[]),
            ("--force", &["delete"]),
            ("nginx-7d4b9", &["delete"]),
            ("7d4b9", &["delete"]),
            ("nginx", &["delete", "ls"]),
            ("nginx-*", &["delete"]),
            ("*-7d4b9", &["delete"]),
            ("re:nginx-[0-9a-f]+", &["delete"]),
            ("re:nginx", &["delete", "ls"]),
            ("-rf", &["rm"]),
            ("rm -rf", &["rm"]),
            ("\"rm -rf\"", &["rm"]),
            ("\"-rf rm\"", &[]),
            ("漢字", &["echo"]),
            ("字漢", &[]),
            ("kubectl get OR cat", &["run", "cat"]),
            ("(cat OR echo) 漢", &["echo"]),
            ("cat AND /etc/passwd", &["cat"]),
            ("nginx NOT delete", &["ls"]),
            ("kind:command -\"delete pod\" -(bash OR ls) -source:request", &["cat", "echo"]),
            ("NOT (kind:command OR kind:output OR kind:session)", &["request"]),
            ("web-1", &["run"]),
            ("\"no rule\"", &["request"]),
            ("10.1.2.3", &["ada", "bob", "eve"]),
        ];
        for (text, expected) in cases {
            self.finds(text, expected).await;
        }
    }

    async fn filters_narrow(&self) {
        let of_ada = ["ada", "bash", "delete", "cat", "echo", "refused"];
        let cases: [(&str, &[&str]); 30] = [
            ("user:ada", &of_ada),
            ("user:A*", &of_ada),
            ("user:(bob OR eve)", &["bob", "ls", "rm", "eve"]),
            ("-user:(ada OR bob)", &["eve", "run", "request"]),
            ("cluster:TEST", &["bob", "ls", "rm"]),
            ("ns:Kube-System", &["bob", "ls", "rm"]),
            ("namespace:kube-*", &["bob", "ls", "rm"]),
            ("pod:web-1", &["run"]),
            ("pod:web-0 kind:session", &["ada", "eve"]),
            ("container:dns", &["bob", "ls", "rm"]),
            ("image:*/web:1.27", &of_ada),
            ("image:*/WEB:1.27", &[]),
            ("session:019aa9f2-5c00-7000-8000-000000000002", &["bob", "ls", "rm"]),
            ("session:019AA9F2 kind:session", &["ada", "bob", "eve"]),
            ("kind:exec kind:session", &["ada", "bob"]),
            ("kind:attach", &["eve"]),
            ("source:argv", &["bash", "ls"]),
            ("source:typed", &["delete", "cat", "echo"]),
            ("source:request", &["run", "request"]),
            ("exit:3", &["bob", "ls", "rm"]),
            ("exit:>0", &["bob", "ls", "rm"]),
            ("exit:0..2", &of_ada),
            ("outcome:live", &["eve"]),
            ("outcome:failed kind:session", &["bob"]),
            ("outcome:exited kind:session", &["ada", "bob"]),
            ("tty:no", &["bob", "ls", "rm"]),
            ("verb:delete resource:secrets", &["request"]),
            ("code:>=400", &["request"]),
            ("when:yesterday", &[]),
            ("when:2026-11-23", &["eve"]),
        ];
        for (text, expected) in cases {
            self.finds(text, expected).await;
        }
        self.finds("when:2026-11-22T13:00..2026-11-22T14:00", &["run"]).await;
        self.finds("NOT when:2026-11-22", &["eve"]).await;
    }

    async fn fields_of_the_query_narrow(&self) {
        let some = |value: &str| Some(value.to_owned());
        let commands = Query { kinds: vec![HitKind::Command], ..Query::default() };
        let cases = [
            (Query { user: some("bob"), ..commands.clone() }, vec!["ls"]),
            (Query { cluster: some("test"), ..commands.clone() }, vec!["ls"]),
            (Query { namespace: some("kube-system"), ..commands.clone() }, vec!["ls"]),
            (Query { pod: some("dns-1"), ..commands.clone() }, vec!["ls"]),
            (Query { container: some("dns"), ..commands.clone() }, vec!["ls"]),
            (Query { image: some("docker.io/coredns:1.11"), ..commands.clone() }, vec!["ls"]),
            (Query { source: Some(CommandSource::Request), ..commands.clone() }, vec!["run"]),
            (Query { outcome: Some(OutcomeFilter::Failed), ..commands.clone() }, vec!["ls"]),
            (Query { from: Some(time(MORNING + HOUR)), ..commands.clone() }, vec!["run", "ls"]),
            (Query { until: Some(time(MORNING + Duration::from_micros(1))), ..commands }, vec!["bash"]),
            (
                Query { kinds: vec![HitKind::Request, HitKind::Output], ..Query::default() },
                vec!["request", "rm", "refused"],
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(self.found(&query).await, expected, "{query:?}");
        }
    }

    async fn what_cannot_be_read_is_explained(&self) {
        for text in ["a \"b", "(", "user:", "exit:x", "re:a(", "when:soon"] {
            let error = self.backend.search(&Query { text: text.to_owned(), ..Query::default() }).await;
            assert!(matches!(&error, Err(SearchError::Query(error)) if error.place().is_some()), "{text}: {error:?}");
        }
        let beyond = self.backend.search(&Query { offset: 9_990, limit: 20, ..Query::default() }).await;
        assert!(matches!(beyond, Err(SearchError::Query(_))), "a page beyond 10,000 by offset: {beyond:?}");
    }

    async fn hits_say_where_they_are_from(&self) {
        let query = |text: &str| Query { text: text.to_owned(), ..Query::default() };
        let hit = self.search(&query("10.0.3.7")).await.hits.remove(0);
        assert_eq!((hit.kind, hit.session, hit.source), (HitKind::Output, Some(id(1)), None));
        assert_eq!(hit.offset, Some(Micros::from_secs(11)), "the line with the match");
        assert_eq!(hit.at, time(MORNING + Micros::from_secs(11)));
        let place = [&hit.user, &hit.cluster, &hit.namespace, &hit.pod, &hit.container].map(String::as_str);
        assert_eq!(place, ["Ada", "prod", "default", "web-0", "app"]);
        let marked: Vec<&str> = hit.snippet.ranges.iter().map(|range| &hit.snippet.text[range.clone()]).collect();
        assert_eq!(marked, ["10.0.3.7"]);
        let hit = self.search(&query("web-1")).await.hits.remove(0);
        assert_eq!((hit.kind, hit.source, hit.requests.len()), (HitKind::Command, Some(CommandSource::Request), 2));
    }

    async fn hits_come_in_order_and_in_pages(&self) {
        let ordered = |order| Query { text: "source:typed".to_owned(), order, ..Query::default() };
        assert_eq!(self.found(&ordered(Order::Newest)).await, ["echo", "cat", "delete"]);
        assert_eq!(self.found(&ordered(Order::Oldest)).await, ["delete", "cat", "echo"]);
        let relevance = Query { text: "kubectl OR refused".to_owned(), order: Order::Relevance, ..Query::default() };
        assert_eq!(self.found(&relevance).await.first().map(String::as_str), Some("refused"), "the rarest word first");
        let page = Query { limit: 2, ..ordered(Order::Newest) };
        assert_eq!(self.found(&Query { offset: 2, ..page.clone() }).await, ["delete"]);
        let first = self.search(&page).await;
        assert_eq!((first.total, first.more), (3, false));
        assert_eq!(self.found(&Query { after: first.next, ..page.clone() }).await, ["delete"]);
        let last = self.search(&Query { after: first.next, ..page }).await;
        assert_eq!((last.total, last.next), (3, None), "the total is of all pages");
    }

    async fn hits_are_counted_by_value(&self) {
        let query = Query { facets: true, limit: 1, now: Some(now()), ..Query::default() };
        let facets = self.search(&query).await.facets;
        let counts = |facet: &[Facet]| facet.iter().map(|of| format!("{} {}", of.value, of.count)).collect::<Vec<_>>();
        assert_eq!(counts(&facets.users), ["Ada 6", "bob 3", "eve 1", "grace 1", "mallory 1"]);
        assert_eq!(counts(&facets.clusters), ["prod 9", "test 3"]);
        assert_eq!(counts(&facets.namespaces), ["default 9", "kube-system 3"]);
        assert_eq!(
            counts(&facets.pods),
            ["web-0 8", "dns-1 3", "web-1 1"],
            "each hit once, whatever its requests name"
        );
        assert_eq!(counts(&facets.images), ["registry.example.com/web:1.27 6", "docker.io/coredns:1.11 3"]);
        assert_eq!(counts(&facets.kinds), ["command 6", "session 3", "output 2", "request 1"]);
        assert_eq!(counts(&facets.days), ["2026-11-23 1", "2026-11-22 11"], "in the zone of the query");
    }

    async fn sessions_are_listed(&self) {
        let listed = |filter: SessionFilter| async move {
            let page = self.backend.sessions(&filter).await.expect("a page");
            page.rows.into_iter().map(|row| row.user).collect::<Vec<_>>()
        };
        let (all, some) = (SessionFilter::default, |value: &str| Some(value.to_owned()));
        assert_eq!(listed(all()).await, ["eve", "bob", "Ada"]);
        assert_eq!(listed(SessionFilter { user: some("bob"), ..all() }).await, ["bob"]);
        assert_eq!(listed(SessionFilter { user: some(""), ..all() }).await.len(), 3, "an empty field narrows nothing");
        assert_eq!(listed(SessionFilter { cluster: some("test"), ..all() }).await, ["bob"]);
        assert_eq!(listed(SessionFilter { namespace: some("default"), ..all() }).await, ["eve", "Ada"]);
        assert_eq!(listed(SessionFilter { pod: some("dns-1"), ..all() }).await, ["bob"]);
        assert_eq!(listed(SessionFilter { container: some("app"), ..all() }).await, ["eve", "Ada"]);
        assert_eq!(listed(SessionFilter { kind: Some(SessionKind::Attach), ..all() }).await, ["eve"]);
        assert_eq!(listed(SessionFilter { outcome: Some(OutcomeFilter::Live), ..all() }).await, ["eve"]);
        assert_eq!(listed(SessionFilter { outcome: Some(OutcomeFilter::Failed), ..all() }).await, ["bob"]);
        let (from, until) = (Some(time(MORNING + HOUR)), Some(time(MORNING + hours(2))));
        assert_eq!(listed(SessionFilter { from, until, ..all() }).await, ["bob"]);
        let first = self.backend.sessions(&SessionFilter { limit: 2, ..all() }).await.expect("a page");
        assert_eq!((first.rows.len(), first.total), (2, 3));
        assert_eq!(listed(SessionFilter { limit: 2, after: first.next, ..all() }).await, ["Ada"]);
        assert_eq!(self.backend.session(id(1)).await.expect("a session"), Some(ada()), "read back as it was written");
        assert_eq!(self.backend.session(id(9)).await.expect("an answer"), None);
    }

    async fn values_are_listed(&self) {
        let values = self.backend.values().await.expect("values");
        assert_eq!(values.users, ["Ada", "bob", "eve", "grace", "mallory"]);
        assert_eq!(values.clusters, ["prod", "test"]);
        assert_eq!(values.namespaces, ["default", "kube-system"]);
    }

    async fn finished_sessions_are_told_apart(&self) {
        let finished = self.backend.finished_sessions(&[id(1), id(2), id(3), id(9)]).await.expect("an answer");
        assert_eq!(finished, [id(1), id(2)].into());
    }

    async fn a_group_is_replaced_as_a_whole(&self) {
        let over = SessionRow { outcome: Some(Outcome::Ended), ended: Some(time(MORNING + hours(25))), ..eve() };
        // In one batch, so that what was added in it is deleted too.
        self.apply(|batch| {
            batch.add([command(&eve(), 1, CommandSource::Typed, "of the live session")]);
            let typed = command(&over, 1, CommandSource::Typed, "of the session that is over");
            batch.replace_session(id(3), [Document::session(&over), typed]);
        })
        .await;
        self.commit().await;
        self.finds("\"of the\"", &["of the session that is over"]).await;
        assert_eq!(self.search(&Query { user: Some("eve".to_owned()), ..Query::default() }).await.total, 2);
        self.apply(|batch| batch.replace_session(id(3), [self.corpus["eve"].clone()])).await;
        self.commit().await;
        self.finds("user:eve", &["eve"]).await;
    }

    async fn a_growing_passage_is_replaced(&self) {
        for lines in [vec!["growing"], vec!["growing", "more"], vec!["growing", "more", "most"]] {
            self.apply(|batch| {
                batch.delete(DocumentGroup::Output(id(3), OutputStage::Growing));
                batch.add([passage(&eve(), OutputStage::Growing, 1, &lines)]);
                batch.add([passage(&eve(), OutputStage::Live, lines.len() as u32, &["full"])]);
            })
            .await;
            self.commit().await;
            self.finds("growing", &[&lines.join("\n")]).await;
        }
        assert_eq!(self.search(&Query { text: "full".to_owned(), ..Query::default() }).await.total, 3);
        self.apply(|batch| batch.delete_live_output(id(3))).await;
        self.commit().await;
        self.finds("user:eve", &["eve"]).await;
    }

    async fn a_run_is_read_back_and_replaced(&self) {
        let known = run(&["web-0", "web-1"]);
        let read = self.backend.kubectl_run(&known.key()).await.expect("an answer");
        assert_eq!(read.as_ref(), Some(&known));
        assert_eq!(self.backend.kubectl_run(&KubectlRun::key_of("bob", "prod", "u-1")).await.expect("an answer"), None);
        self.apply(|batch| batch.replace_run(run(&["web-0", "web-1", "web-2"]))).await;
        self.commit().await;
        self.finds("user:grace", &["kubectl get pods web-0 web-1 web-2 -n default"]).await;
        self.finds("pod:web-2", &["kubectl get pods web-0 web-1 web-2 -n default"]).await;
    }

    async fn cursors_go_on_beyond_what_is_counted(&self) {
        let row = SessionRow { id: id(4), user: "henry".to_owned(), started: time(MORNING - HOUR), ..ada() };
        for start in (0..MANY).step_by(500) {
            // Several commands of one moment, so that their order hangs on more than time.
            let typed = |number| command(&row, number / 7, CommandSource::Typed, &format!("many number-{number}"));
            self.apply(|batch| batch.add((start..start + 500).map(typed))).await;
        }
        self.commit().await;
        for order in [Order::Newest, Order::Oldest] {
            let mut seen = Vec::new();
            let mut after: Option<HitCursor> = None;
            loop {
                let query = Query { text: "many".to_owned(), limit: 3_500, order, after, ..Query::default() };
                let page = self.search(&query).await;
                assert_eq!((page.total, page.more), (10_000, true), "counted to 10,000");
                seen.extend(page.hits.into_iter().map(|hit| (hit.at, hit.text)));
                let Some(next) = page.next else { break };
                after = Some(next.to_string().parse().expect("a cursor survives a URL"));
            }
            let times: Vec<_> = seen.iter().map(|(at, _)| *at).collect();
            assert!(if order == Order::Newest { times.is_sorted_by(|a, b| a >= b) } else { times.is_sorted() });
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len() as u64, MANY, "every hit once, {order:?}");
        }
    }

    async fn a_closed_index_cannot_be_written(&self) {
        self.backend.close().await.expect("an end in good order");
        let mut batch = Batch::default();
        batch.add([request()]);
        let refused = self.backend.apply(batch).await;
        assert!(matches!(refused, Err(SearchError::ReadOnly)), "{refused:?}");
        self.finds("user:mallory", &["request"]).await;
    }
}
