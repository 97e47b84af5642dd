//! What pairs a phone: `/v1/sessions/{name}/qr` and `/v1/sessions/{name}/pairing-code`.

use actix_web::http::Method;
use actix_web::http::header::{self, Accept, Header as _, Quality};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use switchboard_domain::ports::GatewayError;
use switchboard_domain::{Error, Precondition};

use super::operation::{Answer, Body, Caller, Example, Operation, mutation, query, unless, upstream};
use super::{Resource, json};
use crate::problem::Problem;
use crate::schema::JsonSchema;
use crate::trpc::user::{OfPhone, OfSession, PairingCodeOutput, QrOutput, session_name};

const PNG: &str = "image/png";

/// The smallest image, in the place of a code.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg==";

/// What has to be so for a phone to be paired.
const SCANNABLE: [Precondition; 3] =
    [Precondition::NotConnected, Precondition::AlreadyConnected, Precondition::Starting];

pub(super) fn resource() -> Resource {
    Resource {
        name: "Pairing",
        about: "What links a phone to a session. The codes are login secrets.",
        operations: vec![
            Operation::new(Method::GET, "/sessions/{name}/qr", query("user.getSessionQR"), qr)
                .says(
                    "Get the QR code",
                    "The code that the phone has to scan now; each is good for 60 s at first, then for 20 s. A session that is \
                     starting is waited for, up to 10 s. `Accept: image/png` gives the image itself.",
                )
                .answers(
                    Answer::json("The code", JsonSchema::of::<QrOutput>(), json!({ "qr": PIXEL })).or(
                        PNG,
                        JsonSchema::inline(json!({ "type": "string", "format": "binary" })),
                        Example::Elsewhere(format!("data:{PNG};base64,{PIXEL}")),
                    ),
                )
                .refuses([Error::NotFound])
                .refuses(unless(&SCANNABLE))
                .refuses(upstream()),
            Operation::new(Method::POST, "/sessions/{name}/pairing-code", mutation("user.requestPairingCode"), pairing_code)
                .says(
                    "Get a code to type",
                    "For the phone of that number, instead of scanning. Each new code makes the one before it useless.",
                )
                .takes(phone())
                .answers(Answer::json(
                    "The code",
                    JsonSchema::of::<PairingCodeOutput>(),
                    json!({ "code": "ABCD-EFGH" }),
                ))
                .refuses([Error::NotFound])
                .refuses(unless(&SCANNABLE))
                .refuses(upstream()),
        ],
    }
}

/// The body of operations on a phone's number.
pub(super) fn phone() -> Body {
    const PHONE: &str = "+34600111222";
    const SEPARATORS: &str = r"[ .()\[\]/-]*";
    // What `PhoneNumber` takes, but for spaces and dashes beyond ASCII.
    let pattern =
        format!("^{SEPARATORS}(\\+|0{SEPARATORS}0)?{SEPARATORS}[1-9]({SEPARATORS}[0-9]){{6,14}}{SEPARATORS}$");
    let schema = JsonSchema::inline(json!({
        "type": "object",
        "required": ["phoneNumber"],
        "properties": {
            "phoneNumber": {
                "type": "string",
                "description": "7 to 15 digits with the country's code first, with or without `+` or `00` before it, and \
                                spaces, dots, dashes, slashes and brackets anywhere.",
                "pattern": pattern,
                "maxLength": 64,
                "examples": [PHONE],
            },
        },
    }));
    Body { schema, example: json!({ "phoneNumber": PHONE }) }
}

async fn qr(caller: Caller, input: OfSession) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    let code = caller.state.services.get_qr.run(caller.user(), &name).await?;
    let mut answer = if wants_image(&caller.request) {
        let image = STANDARD.decode(&code.png_base64);
        let image = image.map_err(|error| Error::from(GatewayError::Broken(format!("the QR code: {error}"))))?;
        HttpResponse::Ok()
            .content_type(PNG)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::CONTENT_ENCODING, "identity"))
            .body(image)
    } else {
        json(&QrOutput::from(code))?
    };
    answer.headers_mut().append(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(answer)
}

/// Whether the client likes an image better than JSON, which whoever says nothing gets (RFC 9110, 12.5.1).
fn wants_image(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else { return false };
    let quality_of = |kind: &str, essence: &str| {
        let ranges = accept.iter().filter_map(|range| {
            let precedence = match range.item.essence_str() {
                exactly if exactly == essence => 2,
                whole_kind if whole_kind.strip_suffix("/*") == Some(kind) => 1,
                "*/*" => 0,
                _ => return None,
            };
            Some((precedence, range.quality))
        });
        ranges.max_by_key(|(precedence, _)| *precedence).map_or(Quality::ZERO, |(_, quality)| quality)
    };
    quality_of("image", PNG) > quality_of("application", "application/json")
}

async fn pairing_code(caller: Caller, input: OfPhone) -> Result<HttpResponse, Problem> {
    let name = session_name(&input.session_name)?;
    let ask = &caller.state.services.request_pairing_code;
    let code = ask.run(caller.user(), &name, &input.phone_number, caller.means()).await?;
    json(&PairingCodeOutput::from(code))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_image_is_for_who_likes_it_better() {
        for (accept, image) in [
            ("image/png", true),
            ("image/*", true),
            ("image/avif,image/webp,image/*,*/*;q=0.8", true),
            ("application/json;q=0.5, image/png", true),
            ("application/json, image/png;q=0.5", false),
            ("application/json;q=0, */*", true),
            ("image/png;q=0", false),
            ("image/*, image/png;q=0.1, application/json;q=0.5", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html", false),
            ("", false),
            ("nonsense", false),
        ] {
            let request = TestRequest::get().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(wants_image(&request), image, "{accept}");
        }
        assert!(!wants_image(&TestRequest::get().to_http_request()));
    }
}
