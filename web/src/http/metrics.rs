use std::sync::Arc;

use axum::{Router, response::IntoResponse, routing::get};
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http::serve;

/// What stands at the moment, in OpenMetrics' text format.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves `/metrics` over plain HTTP until `shutdown`, to whoever reaches the address: no person, pod or command is in it.
pub async fn serve_metrics(listener: TcpListener, exposition: Exposition, shutdown: CancellationToken) {
    let answer = move || {
        let text = exposition();
        async move { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response() }
    };
    serve::serve(Router::new().route("/metrics", get(answer)), listener, None, shutdown).await;
}
