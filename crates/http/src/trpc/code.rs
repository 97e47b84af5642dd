//! tRPC's error codes: the key, the JSON-RPC number and the HTTP status of each.

/// Why a call failed, in tRPC's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request could not be parsed. tRPC itself answers malformed JSON with [`Code::BadRequest`].
    ParseError,
    /// The input, or the request, is not what the procedure takes.
    BadRequest,
    /// Nobody is signed in.
    Unauthorized,
    /// Payment is needed first.
    PaymentRequired,
    /// The user may not do this.
    Forbidden,
    /// No such procedure or thing, or not the caller's.
    NotFound,
    /// The HTTP method does not fit the kind of procedure.
    MethodNotSupported,
    /// The caller took too long. An upstream that does is [`Code::GatewayTimeout`].
    Timeout,
    /// The present state forbids it.
    Conflict,
    /// A condition that had to hold first does not.
    PreconditionFailed,
    /// The body is over the limit.
    PayloadTooLarge,
    /// The content type is not one that tRPC reads.
    UnsupportedMediaType,
    /// Well formed, but makes no sense.
    UnprocessableContent,
    /// The request must be conditional.
    PreconditionRequired,
    /// The caller asks too often.
    TooManyRequests,
    /// The caller hung up.
    ClientClosedRequest,
    /// Something broke here.
    InternalServerError,
    /// Not built.
    NotImplemented,
    /// An upstream answered nonsense.
    BadGateway,
    /// An upstream is off.
    ServiceUnavailable,
    /// An upstream did not answer in time.
    GatewayTimeout,
}

impl Code {
    /// The key that front-ends compare `error.data.code` with.
    pub const fn key(self) -> &'static str {
        self.row().0
    }

    /// The number in `error.code`; -32603 is the one that subscriptions retry on.
    pub const fn number(self) -> i32 {
        self.row().1
    }

    /// The status of an answer that has this error alone.
    pub const fn http_status(self) -> u16 {
        self.row().2
    }

    const fn row(self) -> (&'static str, i32, u16) {
        match self {
            Self::ParseError => ("PARSE_ERROR", -32700, 400),
            Self::BadRequest => ("BAD_REQUEST", -32600, 400),
            Self::Unauthorized => ("UNAUTHORIZED", -32001, 401),
            Self::PaymentRequired => ("PAYMENT_REQUIRED", -32002, 402),
            Self::Forbidden => ("FORBIDDEN", -32003, 403),
            Self::NotFound => ("NOT_FOUND", -32004, 404),
            Self::MethodNotSupported => ("METHOD_NOT_SUPPORTED", -32005, 405),
            Self::Timeout => ("TIMEOUT", -32008, 408),
            Self::Conflict => ("CONFLICT", -32009, 409),
            Self::PreconditionFailed => ("PRECONDITION_FAILED", -32012, 412),
            Self::PayloadTooLarge => ("PAYLOAD_TOO_LARGE", -32013, 413),
            Self::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", -32015, 415),
            Self::UnprocessableContent => ("UNPROCESSABLE_CONTENT", -32022, 422),
            Self::PreconditionRequired => ("PRECONDITION_REQUIRED", -32028, 428),
            Self::TooManyRequests => ("TOO_MANY_REQUESTS", -32029, 429),
            Self::ClientClosedRequest => ("CLIENT_CLOSED_REQUEST", -32099, 499),
            Self::InternalServerError => ("INTERNAL_SERVER_ERROR", -32603, 500),
            Self::NotImplemented => ("NOT_IMPLEMENTED", -32603, 501),
            Self::BadGateway => ("BAD_GATEWAY", -32603, 502),
            Self::ServiceUnavailable => ("SERVICE_UNAVAILABLE", -32603, 503),
            Self::GatewayTimeout => ("GATEWAY_TIMEOUT", -32603, 504),
        }
    }
}
