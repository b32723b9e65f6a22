//! Fills an index with documents made of real sessions' vocabulary, asks it ten typical queries, and pages through its
//! list of sessions, which are a tenth of the documents.
//!
//!     cargo run --release -p search --example load -- 10000000 FOLDER
//!
//! Commands and lines are those of the recordings in `recorder/tests/data` and of the list below, with names, hashes,
//! addresses, numbers and times put in as they are in real ones. FOLDER must not exist; it is left behind, and given
//! once more it is only asked.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use recording::{
    RecordingId, UnixMicros,
    cast::{Code, events},
};
use search::{
    Backend, Index, Masks, Order, OutcomeFilter, Query, SearchError, SessionCursor, SessionFilter, load::Said,
    load::Sample,
};
use transcript::{Bounds, Lines};

/// 2026-08-26, microseconds since 1970: documents are of the ninety days from then on.
const FIRST: i64 = 1_787_702_400_000_000;
const DAYS: i64 = 90;
/// Documents of a session: the session itself, and what was typed and shown in it.
const SESSION: u64 = 10;
/// Times that a query is asked.
const ROUNDS: usize = 100;

/// `#h` a pod's hash, `#i` an address, `#n` a number, `#u` a UUID, `#t` a time, `#w` a workload, `#s` a namespace.
const COMMANDS: [&str; 40] = [
    "kubectl get pods -n #s",
    "kubectl logs #w-#h -n #s --tail=#n",
    "kubectl describe pod #w-#h -n #s",
    "kubectl delete pod #w-#h --force",
    "kubectl rollout restart deployment/#w -n #s",
    "kubectl exec -it #w-#h -- sh",
    "ls -la",
    "ls -la /var/log/#w",
    "cd /srv/#w",
    "cat /etc/hosts",
    "cat /etc/#w/config-#n.yaml",
    "tail -n #n /var/log/#w/error.log",
    "tail -f /var/log/#w/access.log",
    "grep -rn timeout /etc/#w",
    "grep -c ERROR /var/log/#w/app.log.#n",
    "ps aux | grep #w",
    "top -b -n 1",
    "df -h",
    "free -m",
    "curl -s http://#i:8080/healthz",
    "curl -sv https://#w.#s.svc.cluster.local/api/v1/orders/#u",
    "ping -c 3 #i",
    "nslookup #w.#s.svc.cluster.local",
    "psql -h #i -U app -c 'select count(*) from orders'",
    "psql -c \"select * from users where id = #n\"",
    "redis-cli -h #i info memory",
    "env | sort",
    "whoami",
    "id",
    "exit",
    "vi /etc/#w/config.yaml",
    "systemctl status #w",
    "kill -9 #n",
    "rm -rf /tmp/build-#n",
    "apt-get update && apt-get install -y curl",
    "python3 manage.py migrate --plan",
    "java -Xmx#nm -jar /srv/#w/app.jar",
    "tar czf /tmp/#w-#n.tgz /var/log/#w",
    "openssl s_client -connect #i:443 -servername #w.example.com",
    "strace -p #n -f -e trace=network",
];

const LINES: [&str; 32] = [
    "NAME                        READY   STATUS    RESTARTS   AGE",
    "#w-#h   1/1     Running   #n          4d",
    "#w-#h   0/1     CrashLoopBackOff   #n   12m",
    "#w-#h   0/1     ImagePullBackOff   0   3m",
    "#t INFO  request id=#u path=/api/v1/orders status=200 duration=#nms",
    "#t WARN  slow query took #n ms: select * from orders where id = #n",
    "#t ERROR connection to #i:5432 refused: timeout after #nms",
    "#i - - [#t] \"GET /api/v1/orders/#n HTTP/1.1\" 200 #n",
    "#i - - [#t] \"POST /login HTTP/1.1\" 401 #n",
    "drwxr-xr-x  2 root root 4096 Nov 22 10:00 #w",
    "-rw-r--r--  1 app  app  #n Nov 22 10:00 config-#n.yaml",
    "root         #n  0.0  0.1  12345  6789 ?  Ss  10:00  0:00 /usr/sbin/#w",
    "tcp   0   0 #i:8080   #i:#n   ESTABLISHED #n/#w",
    "  image: registry.example.com/#s/#w:1.#n.0",
    "  uid: #u",
    "    at com.example.#w.OrderService.process(OrderService.java:#n)",
    "java.lang.NullPointerException: Cannot invoke \"Order.id()\" because \"order\" is null",
    "Filesystem      Size  Used Avail Use% Mounted on",
    "/dev/sda1        50G   #nG   12G  76% /",
    "64 bytes from #i: icmp_seq=1 ttl=64 time=0.#n ms",
    "deployment.apps/#w restarted",
    "pod \"#w-#h\" deleted",
    "Error from server (NotFound): pods \"#w-#h\" not found",
    "  Normal   Scheduled  4m   default-scheduler  Successfully assigned #s/#w-#h to node-#n",
    "  Warning  BackOff    2m   kubelet            Back-off restarting failed container app in pod #w-#h",
    "(1 row)",
    " count ",
    "   #n",
    "Get:#n http://deb.debian.org/debian bookworm/main amd64 curl amd64 7.88.1 [#n kB]",
    "used_memory_human:#nM",
    "uid=1000(app) gid=1000(app) groups=1000(app)",
    "größe der datei: #n Bytes, 文件大小 #n 字节",
];

const WORKLOADS: [&str; 24] = [
    "web",
    "api",
    "orders",
    "payments",
    "cart",
    "search",
    "auth",
    "gateway",
    "nginx",
    "postgres",
    "redis",
    "kafka",
    "worker",
    "scheduler",
    "mailer",
    "billing",
    "reports",
    "import",
    "export",
    "catalog",
    "users",
    "frontend",
    "grafana",
    "prometheus",
];

/// A small generator of numbers; the same seed gives the same documents.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.roll() >> 16) % end
    }

    /// Few of a list are frequent, most are rare.
    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        &list[((share * share * list.len() as f64) as usize).min(list.len() - 1)]
    }

    fn text(&mut self, template: &str, at: i64) -> String {
        let mut text = String::with_capacity(template.len() + 32);
        let mut parts = template.split('#');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let value = match part.as_bytes().first() {
                Some(b'h') => format!("{:07x}-{:05x}", self.below(1 << 28), self.below(1 << 20)),
                Some(b'i') => format!("10.{}.{}.{}", self.below(4), self.below(64), self.below(256)),
                Some(b'n') => format!("{}", self.below(5000)),
                Some(b'u') => uuid::Builder::from_random_bytes(
                    [self.roll().to_be_bytes(), self.roll().to_be_bytes()].concat().try_into().unwrap(),
                )
                .into_uuid()
                .to_string(),
                Some(b't') => jiff::Timestamp::from_microsecond(at).unwrap().to_string(),
                Some(b'w') => (*self.pick(&WORKLOADS)).to_owned(),
                Some(b's') => format!("team-{}", self.below(60)),
                _ => "#".to_owned(),
            };
            text.push_str(&value);
            text.push_str(part.get(1..).unwrap_or_default());
        }
        text
    }
}

/// Commands and lines.
struct Vocabulary {
    commands: Vec<String>,
    lines: Vec<String>,
}

impl Vocabulary {
    /// The lists above, and what stands in the recordings of a folder.
    fn read(folder: &Path) -> Self {
        let mut vocabulary =
            Self { commands: COMMANDS.map(str::to_owned).to_vec(), lines: LINES.map(str::to_owned).to_vec() };
        for entry in std::fs::read_dir(folder).expect("recordings of real sessions").map(Result::unwrap) {
            let bytes = std::fs::read(entry.path()).unwrap();
            let mut lines = Lines::new(true, Bounds::NONE);
            for event in events(&bytes).filter_map(Result::ok) {
                if event.code == Code::Marker {
                    vocabulary.commands.push(event.data.replace('#', ""));
                }
                lines.event(&event, &mut |line| vocabulary.lines.push(line.text.replace('#', "")));
            }
        }
        vocabulary
    }

    fn sample(&self, number: u64, sessions: u64) -> Sample {
        let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let started = FIRST + (DAYS * 86_400_000_000 / sessions as i64) * number as i64;
        let random: [u8; 16] = [dice.roll().to_be_bytes(), dice.roll().to_be_bytes()].concat().try_into().unwrap();
        let id = uuid::Builder::from_unix_timestamp_millis(started as u64 / 1000, random[..10].try_into().unwrap());
        let said = (1..SESSION).map(|_| {
            if dice.below(10) < 4 {
                let template = dice.pick(&self.commands).clone();
                return Said::Command(dice.text(&template, started));
            }
            let many = 1 + dice.below(8);
            Said::Output(
                (0..many)
                    .map(|_| {
                        let line = dice.pick(&self.lines).clone();
                        dice.text(&line, started)
                    })
                    .collect(),
            )
        });
        let said = said.collect();
        Sample {
            id: RecordingId(id.into_uuid()),
            started: UnixMicros::new(started),
            user: format!("user-{}@example.com", dice.below(200)),
            cluster: format!("cluster-{}", dice.below(5)),
            namespace: dice.text("#s", 0),
            pod: dice.text("#w-#h", 0),
            said,
        }
    }
}

fn fill(folder: &Path, documents: u64) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recorder/tests/data");
    let vocabulary = Vocabulary::read(&root);
    let index = Index::open_to_fill(folder, Masks::default()).unwrap();
    let masks = index.masks();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sessions = documents / SESSION;
    let (next, done, bytes) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= sessions {
                        break;
                    }
                    let sample = vocabulary.sample(number, sessions);
                    let size = |said: &Said| match said {
                        Said::Command(text) => text.len(),
                        Said::Output(lines) => lines.iter().map(String::len).sum(),
                    };
                    bytes.fetch_add(sample.said.iter().map(size).sum::<usize>() as u64, Ordering::Relaxed);
                    let batch = sample.into_batch(&masks);
                    let added = done.fetch_add(batch.added() as u64, Ordering::Relaxed);
                    runtime.block_on(index.apply(batch)).unwrap();
                    if number.is_multiple_of(20_000) {
                        eprintln!("{added} documents after {:.0} s", began.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    runtime.block_on(index.commit("{}")).unwrap();
    let (documents, seconds) = (done.into_inner(), began.elapsed().as_secs_f64());
    let text = bytes.into_inner() as f64;
    println!(
        "{documents} documents, {:.2} GB of text, in {seconds:.0} s: {:.0} documents/s, {:.1} MB/s",
        text / 1e9,
        documents as f64 / seconds,
        text / 1e6 / seconds
    );
    runtime.block_on(index.close()).unwrap();
    println!("merged after {:.0} s; {:.2} GB on disk", began.elapsed().as_secs_f64(), size(folder) as f64 / 1e9);
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let of = |path: PathBuf| if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |data| data.len()) };
    entries.map(|entry| of(entry.path())).sum()
}

fn ask(folder: &Path) {
    let index = Index::open_read_only(folder).unwrap();
    println!("{} documents are searched", index.documents());
    println!("{:52} {:>8} {:>9} {:>9} {:>9}", "query", "hits", "p50 ms", "p99 ms", "first ms");
    let now: jiff::Zoned = "2026-11-24T00:00:00Z[UTC]".parse().unwrap();
    let query = |text: &str| Query { text: text.to_owned(), facets: true, now: Some(now.clone()), ..Query::default() };
    let oldest = Query { order: Order::Oldest, ..query("CrashLoopBackOff") };
    let relevance = Query { order: Order::Relevance, ..query("OrderService refused") };
    let typical = [
        query("kubectl"),
        query("kubectl delete --force"),
        query("10.2.33.7"),
        query("\"connection to\" refused"),
        query("/var/log/nginx"),
        query("nginx-0*"),
        query("user:user-17@example.com ns:team-7 grep"),
        query("(curl OR ping) kind:command when:last 14 days"),
        query("ERROR timeout NOT postgres"),
        query("kind:output ImagePullBackOff cluster:cluster-3"),
        // Beside the ten.
        oldest,
        relevance,
        query("re:orders-[0-9a-f]{3}1.*"),
        query("*backoff"),
        query("文件大小"),
    ];
    let mut all = Vec::new();
    for (number, query) in typical.iter().enumerate() {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut found = String::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let answer = index.search(query);
            times.push(began.elapsed());
            found = match answer {
                Ok(hits) => format!("{}{}", hits.total, if hits.more { "+" } else { "" }),
                Err(SearchError::Query(_)) => "refused".to_owned(),
                Err(error) => panic!("{error}"),
            };
        }
        if number < 10 {
            all.extend(times[1..].iter().copied());
        }
        println!("{:52} {found:>8} {} {:>9}", query.text, quantiles(&times[1..]), millis(times[0]));
    }
    println!("{:61} {}", "the first ten together", quantiles(&all));
    list(&index);
}

/// Pages of 50 sessions, newest first, as the first page of the web shows them, with the total.
fn list(index: &Index) {
    println!("{:52} {:>8} {:>9} {:>9} {:>9}", "page of sessions", "total", "p50 ms", "p99 ms", "first ms");
    // A cursor may be any id: that of half the time goes to the middle of the list.
    let middle = (FIRST + DAYS * 86_400_000_000 / 2) as u64 / 1000;
    let middle = RecordingId(uuid::Builder::from_unix_timestamp_millis(middle, &[0; 10]).into_uuid());
    let all = SessionFilter { limit: 50, ..SessionFilter::default() };
    let pages = [
        ("the newest", all.clone()),
        ("from the middle on", SessionFilter { after: Some(SessionCursor::after(middle)), ..all.clone() }),
        ("of one person", SessionFilter { user: Some("user-17@example.com".to_owned()), ..all.clone() }),
        (
            "of one namespace, exited",
            SessionFilter { namespace: Some("team-7".to_owned()), outcome: Some(OutcomeFilter::Exited), ..all.clone() },
        ),
        ("that failed: none", SessionFilter { outcome: Some(OutcomeFilter::Failed), ..all }),
    ];
    for (name, filter) in pages {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut total = 0;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            total = index.sessions(&filter).unwrap().total;
            times.push(began.elapsed());
        }
        println!("{name:52} {total:>8} {} {:>9}", quantiles(&times[1..]), millis(times[0]));
    }
}

fn quantiles(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted[((sorted.len() as f64 * share).ceil() as usize - 1).min(sorted.len() - 1)];
    format!("{:>9} {:>9}", millis(at(0.5)), millis(at(0.99)))
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [documents, folder] = arguments.as_slice() else {
        eprintln!("usage: load DOCUMENTS FOLDER");
        std::process::exit(2);
    };
    let folder = Path::new(folder);
    if !folder.exists() {
        fill(folder, documents.parse().expect("a number of documents"));
    }
    ask(folder);
}
