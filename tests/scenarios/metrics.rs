//! What Prometheus reads of a service that sends.

use bellwether::web;

use crate::stage::{Setup, Span, Stage, both};

both! {
    async fn what_was_accepted_put_off_and_refused_is_counted(stage: Stage) {
        let readers = ["ada@example.org", "eve@example.com", "451-1-bob@example.org", "550-cy@example.net"];
        stage.imported_all(&readers).await;
        stage.alert("Polls close at eight").accepted().await;
        stage.cx.clock.advance(3.seconds());
        stage.settle().await;
        let text = scraped(&stage).await;
        for line in [
            "bellwether_deliveries_accepted_total{relay=\"primary\"} 2",
            "bellwether_deliveries_deferred_total{relay=\"primary\"} 1",
            "bellwether_deliveries_bounced_total{relay=\"primary\"} 1",
            "bellwether_domain_accepted_total{domain=\"example.com\"} 1",
            "bellwether_domain_deferred_total{domain=\"example.org\"} 1",
            "bellwether_domain_bounced_total{domain=\"example.net\"} 1",
            "bellwether_publish_to_accept_seconds_bucket{lane=\"alert\",le=\"2.5\"} 0",
            "bellwether_publish_to_accept_seconds_bucket{lane=\"alert\",le=\"5\"} 2",
            "bellwether_publish_to_accept_recent_seconds{lane=\"alert\",quantile=\"0.99\"} 3.0",
            "bellwether_deliveries_queued{lane=\"alert\"} 0",
            "bellwether_deliveries_in_flight{relay=\"primary\"} 0",
            "bellwether_relay_state{relay=\"primary\",state=\"closed\"} 1",
            "bellwether_journal_unsettled 0",
            "bellwether_sending_on_hold 0",
            "bellwether_rescues_total 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
        assert!(!text.contains("ada@"), "no address: {text}");
    }

    async fn a_relay_that_is_down_shows_and_so_does_what_waits_for_it(stage: Stage) {
        stage.imported("ada@example.org").await;
        stage.relay.goes_down().await;
        stage.alert("Polls close at eight").sent().await;
        let text = scraped(&stage).await;
        assert!(text.contains("bellwether_relay_state{relay=\"primary\",state=\"open\"} 1\n"), "{text}");
        assert!(text.contains("bellwether_deliveries_queued{lane=\"alert\"} 1\n"), "{text}");
        assert_eq!(stage.operator(&["queue", "pause", "--relay", "primary"]).await.code, 0);
        for _ in 0..2 {
            stage.engine.tend().await.unwrap();
        }
        let text = scraped(&stage).await;
        assert!(text.contains("bellwether_relay_state{relay=\"primary\",state=\"paused\"} 1\n"), "{text}");
    }

    async fn the_service_serves_metrics_on_a_listener_of_their_own(setup: Setup) {
        let (pages, metrics) = (free_address(), free_address());
        let stage = setup.with("server.listen", &pages).with("metrics.listen", &metrics).open().await;
        assert!(stage.operator_reads(&["check"]).await.contains(&format!("[metrics] listen: http://{metrics}/metrics")));
        let service = stage.serves();
        let answer = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = answer.text().await.unwrap();
        assert!(text.contains("# TYPE bellwether_deliveries_accepted_total counter\n"), "{text}");
        for (listener, path) in [(&metrics, "/"), (&metrics, "/healthz"), (&pages, "/metrics")] {
            let answer = reqwest::get(format!("http://{listener}{path}")).await.unwrap();
            assert_eq!(answer.status(), 404, "{path}");
        }
        assert_eq!(service.stop("TERM"), 0);
    }
}

#[tokio::test]
async fn an_address_that_is_in_use_is_named_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let setup = Setup::on(crate::stage::Backend::Sqlite).with("server.listen", &free_address());
    let stage = setup.with("metrics.listen", &address).open().await;
    let refused = stage.operator(&["serve"]).await;
    assert_eq!(refused.code, 1);
    let wanted = format!("can't listen on {address} for metrics: ");
    assert!(refused.err.contains(&wanted) && refused.err.contains("[metrics] listen"), "{}", refused.err);
}

/// `GET /metrics` over a real connection.
async fn scraped(stage: &Stage) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, web::metrics::router(stage.cx.clone())).into_future());
    let text = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    serving.abort();
    text
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
