//! A collector of traces: takes whatever is sent to it, and keeps it.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// One; ended when dropped.
pub(crate) struct Collector {
    url: String,
    /// Paths and bodies.
    taken: Arc<Mutex<Vec<(String, web::Bytes)>>>,
    server: ServerHandle,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        let app = move || {
            let kept = Arc::clone(&kept);
            let take = move |request: HttpRequest, body: web::Bytes| {
                kept.lock().unwrap().push((request.path().to_owned(), body));
                std::future::ready(HttpResponse::Ok().content_type("application/x-protobuf").finish())
            };
            App::new().app_data(web::PayloadConfig::new(16 << 20)).default_service(web::to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, taken, server: handle }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it was sent something.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    /// All that it was sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.taken.lock().unwrap().iter().flat_map(|(_, body)| body.to_vec()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}
