//! What the worker's log says of a job, without any ComfyUI: the run is given back when that does
//! not come up.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::{SeatId, TraceId, WorkerId};
use queue::report::ServerFrame;
use runtime::config::Settings;
use runtime::logging::{self, LogOptions};
use runtime::{Secret, Shutdown, TaskGroup};
use uuid::Uuid;
use worker::assembly::{Worker, WorkerOptions};
use worker::engine::{EngineOptions, EngineSource, EngineTiming};

use crate::support::comfyui::free_port;
use crate::support::graphs;
use crate::support::server::{TOKEN, TestServer};

/// The log of this thread, which here is all of the worker's.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_line_about_a_job_bears_its_ids_and_no_secret_is_told() {
    let log = Log::default();
    let filter = "comfy_api=trace,domain=trace,queue=trace,runtime=trace,worker=trace";
    let options = LogOptions::read(&mut Settings::from_parts(&format!("LOG={filter}\n"), []));
    let lines = log.clone();
    let _guard = tracing::subscriber::set_default(logging::subscriber(&options, move || lines.clone()));
    let server = TestServer::start("redis://unused", "unused").await;
    let folder = tempfile::tempdir().unwrap();
    let shutdown = Shutdown::new();
    let mut tasks = TaskGroup::new(shutdown.clone());
    let timing = EngineTiming {
        check_every: Duration::from_millis(50),
        ..EngineTiming::new(Duration::from_millis(200))
    };
    let source = EngineSource::Running { url: format!("http://127.0.0.1:{}", free_port()) };
    let options = WorkerOptions {
        server_url: server.url(),
        token: Secret::new(TOKEN),
        name: "bench".to_owned(),
        cache_dir: folder.path().to_owned(),
        cache_capacity_bytes: 1 << 20,
        model_capacity_bytes: 1 << 20,
        engine_input_capacity_bytes: 1 << 20,
        engine: EngineOptions { source, timing },
    };
    let id = WorkerId::from_uuid(Uuid::new_v4());
    let worker = Worker::start(options, id, &shutdown, &mut tasks).unwrap();
    let connected = server.until_any(|server| (!server.versions().is_empty()).then_some(())).await;
    connected.expect("the worker connects");

    let trace = TraceId::from_uuid(&Uuid::new_v4());
    let input = Bytes::from_static(b"words-of-a-file");
    let graph = |prefix: &str, _: &[String]| graphs::plain_image(7, &format!("{prefix}-words-of-a-prompt"));
    let mut task = server.add_job_with_inputs(&[input], graph).traced(SeatId::new(1).unwrap(), trace);
    task.attempt = 3;
    let given_back = server.until(&task, "a release", |job| job.release().is_some());
    tokio::join!(worker.handler.handle(task.clone()), given_back);

    // One that the server takes back, which is logged by the socket.
    let taken = server.add_job_with_inputs(&[], graph).traced(SeatId::new(2).unwrap(), trace);
    let running = tokio::spawn({
        let (handler, taken) = (worker.handler.clone(), taken.clone());
        async move { handler.handle(taken).await }
    });
    server.until(&taken, "a claim", |job| !job.told.is_empty()).await;
    server.command(ServerFrame::Drop { job: taken.job, token: taken.token });
    running.await.unwrap();
    shutdown.request();
    tasks.join().await.unwrap();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let said = |words: &str, ids: &[String]| {
        let found = text.lines().any(|line| line.contains(words) && ids.iter().all(|id| line.contains(id)));
        assert!(found, "no {words:?} with {ids:?}: {text}");
    };
    let ids = |task: &queue::TaskMessage, seat: &str| {
        let (job, attempt) = (format!("job.id={}", task.job), format!("attempt={}", task.attempt));
        [job, format!("seat.id={seat}"), format!("worker.id={id}"), attempt, format!("trace.id={trace}")]
    };
    said("job claimed", &ids(&task, "user001"));
    said("job given back", &ids(&task, "user001"));
    said("the server wants the job to end", &ids(&taken, "user002"));
    said("job dropped", &ids(&taken, "user002"));
    for (task, seat) in [(&task, "user001"), (&taken, "user002")] {
        for line in text.lines().filter(|line| line.contains(&task.job.to_string())) {
            assert!(ids(task, seat).iter().all(|id| line.contains(id)), "{line}");
        }
    }
    for secret in [TOKEN, "words-of-a-prompt", "words-of-a-file"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for task in [&task, &taken] {
        assert!(!text.contains(&task.token.to_string()), "a lease's token: {text}");
    }
    let said_to_server = server.traces();
    assert!(said_to_server.contains(&trace.traceparent(3)), "{said_to_server:?}");
    assert!(said_to_server.contains(&trace.traceparent(1)), "{said_to_server:?}");
}
