/**
 * What is thrown: a fault, that is, something nobody expected an answer to. An expected "no" is a value (`ok: false`) and
 * never comes this way. The codes are the contract, the sentences are for people; neither carries a token.
 */
export const FAULTS = {
    unavailable: "The server could not be reached or is not able to answer now. The session is kept; try again later.",
    signed_out: "Nobody is signed in, so there is no token to send.",
    storage_failed: "The session could not be read from or written to its storage.",
    unexpected_answer: "The server answered something that this client does not know.",
    redirect_refused: "The request was redirected and cannot be followed without losing sight of where its token goes.",
    insecure_server: "Tokens travel over https only, or over http to this very machine (RFC 6750 §5.3).",
    closed: "This client has been closed.",
};
export class ClientFault extends Error {
    name = "ClientFault";
    code;
    /** The server's own code and status, where it gave one. */
    server;
    /** Milliseconds after which it is worth trying again, where the server said so. */
    retryAfterMs;
    constructor(code, about = {}) {
        super(FAULTS[code], about.cause === undefined ? undefined : { cause: about.cause });
        this.code = code;
        this.server = about.server ?? null;
        this.retryAfterMs = about.retryAfterMs ?? null;
    }
}
