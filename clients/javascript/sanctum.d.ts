/** A refusal by the service. */
export class Problem extends Error {
    /** @param {ProblemBody} body */
    constructor(body: ProblemBody);
    code: string;
    status: number;
    retryable: boolean;
    retryAfterMs: number;
    errors: {
        field: string;
        code: string;
    }[];
}
/** The service could not be reached, or went away before it answered: what was asked for may have happened or not. */
export class Unreachable extends Error {
    constructor(detail?: string);
}
/** The client has ended: it was closed, or the service said that there is no coming back. */
export class Stopped extends Error {
    /** @param {ConnectionState} state  the last one */
    constructor(state: ConnectionState);
    code: number | undefined;
    cause: Error | undefined;
}
/**
 * A user on a device: the HTTP API as methods, and one connection that comes back by itself.
 *
 * Nothing is connected before `open`, or the first of `events` and `send`.
 */
export class Client {
    /** @param {Options} options */
    constructor({ url, token, storage, name, onState, onSignal, onProblem, platform }: Options);
    /** How the connection is now; `onState` tells when it changes. */
    get connection(): ConnectionState;
    /** Where the stream goes on for a client that begins here. */
    get cursor(): string | undefined;
    /**
     * Connect, now and whenever the connection is lost, until `close` or until the service says that there is no point.
     *
     * @param {object} [from]
     * @param {string} [from.cursor]  of the lists that the application has read; it wins over what the storage holds
     */
    open({ cursor }?: {
        cursor?: string | undefined;
    }): void;
    /**
     * Read the stream, one event after the other.
     *
     * An event was taken when the next one is asked for: only then does the cursor move. The one at which a loop is left
     * was not taken, and is the first of the next loop. Without a cursor the stream begins at its end. Ends after
     * `close`; throws `Stopped` where the service ended it, or the storage failed.
     *
     * @returns {AsyncGenerator<EventFrame | ResyncFrame, void, void>}
     */
    events(): AsyncGenerator<EventFrame | ResyncFrame, void, void>;
    /**
     * Count the event that was given last as taken now, before the next is asked for: for the last one before a `break`.
     *
     * @param {EventFrame | ResyncFrame} event
     */
    taken(event: EventFrame | ResyncFrame): void;
    /**
     * Send a message, over as many connections as it takes.
     *
     * Messages are stored in the order in which they were sent, unless the service had to put one off.
     *
     * @param {string} conversationId
     * @param {string} body
     * @param {Draft} [draft]
     * @returns {Promise<Message>} the stored message; rejects with Problem once it is refused for good, or with Stopped;
     *   at once with what `JSON.stringify` says of a draft that is no JSON
     */
    send(conversationId: string, body: string, { clientMessageId, ...draft }?: Draft): Promise<Message>;
    /**
     * Move one's read marker; it never moves back. It is not repeated by itself where the connection is lost.
     *
     * @param {string} conversationId
     * @param {number} seq
     * @returns {Promise<{readSeq: number, unreadCount: number}>} rejects with Problem or Unreachable
     */
    read(conversationId: string, seq: number): Promise<{
        readSeq: number;
        unreadCount: number;
    }>;
    /**
     * Tell the others that one types, or stopped. It may get lost.
     *
     * @param {string} conversationId
     * @param {boolean} on
     */
    typing(conversationId: string, on: boolean): void;
    /** Don't wait any longer: the network is back, or somebody asks for it. */
    retryNow(): void;
    /** Leave for good. What was not sent yet is rejected. */
    close(): void;
    /**
     * Read a page of one's conversations, the most recently active first. `streamCursor` of the first page is where
     * `open` goes on: nothing falls in between.
     *
     * @param {{limit?: number, cursor?: string}} [page]
     * @returns {Promise<{conversations: ListedConversation[], nextCursor: string | null, streamCursor: string}>}
     */
    listConversations(page?: {
        limit?: number;
        cursor?: string;
    }): Promise<{
        conversations: ListedConversation[];
        nextCursor: string | null;
        streamCursor: string;
    }>;
    /** @returns {Promise<{total: number, conversations: number}>} */
    unread(): Promise<{
        total: number;
        conversations: number;
    }>;
    /**
     * Create a conversation. The key makes a repeat harmless: it returns what the first attempt created.
     *
     * @param {{kind: 'group' | 'direct', participants: {userId: string, role?: Role}[], title?: string,
     *   metadata?: Record<string, any>, historyVisibility?: 'all' | 'joined'}} wanted
     * @param {{idempotencyKey?: string}} [options]
     * @returns {Promise<Conversation>}
     */
    createConversation(wanted: {
        kind: "group" | "direct";
        participants: {
            userId: string;
            role?: Role;
        }[];
        title?: string;
        metadata?: Record<string, any>;
        historyVisibility?: "all" | "joined";
    }, { idempotencyKey }?: {
        idempotencyKey?: string;
    }): Promise<Conversation>;
    /**
     * @param {string} conversationId
     * @returns {Promise<Conversation>}
     */
    getConversation(conversationId: string): Promise<Conversation>;
    /**
     * Change a conversation, unless it changed since we saw it.
     *
     * @param {{id: string, version: number}} conversation
     * @param {{title?: string | null, metadata?: Record<string, any>, historyVisibility?: 'all' | 'joined'}} changes
     * @returns {Promise<Conversation>}
     */
    updateConversation({ id, version }: {
        id: string;
        version: number;
    }, changes: {
        title?: string | null;
        metadata?: Record<string, any>;
        historyVisibility?: "all" | "joined";
    }): Promise<Conversation>;
    /**
     * @param {{id: string, version: number}} conversation
     * @returns {Promise<void>}
     */
    deleteConversation({ id, version }: {
        id: string;
        version: number;
    }): Promise<void>;
    /**
     * @param {string} conversationId
     * @param {{limit?: number, cursor?: string}} [page]
     * @returns {Promise<{participants: Participant[], nextCursor: string | null}>}
     */
    listParticipants(conversationId: string, page?: {
        limit?: number;
        cursor?: string;
    }): Promise<{
        participants: Participant[];
        nextCursor: string | null;
    }>;
    /**
     * @param {string} conversationId
     * @param {{userId: string, role?: Role}[]} participants
     * @param {{idempotencyKey?: string}} [options]
     * @returns {Promise<Participant[]>}
     */
    addParticipants(conversationId: string, participants: {
        userId: string;
        role?: Role;
    }[], { idempotencyKey }?: {
        idempotencyKey?: string;
    }): Promise<Participant[]>;
    /**
     * Change a role, or one's own marks.
     *
     * @param {string} conversationId
     * @param {string} userId
     * @param {{role?: Role} & Partial<OwnMarks>} changes
     * @returns {Promise<Participant>}
     */
    updateParticipant(conversationId: string, userId: string, changes: {
        role?: Role;
    } & Partial<OwnMarks>): Promise<Participant>;
    /**
     * Remove a participant, or leave.
     *
     * @param {string} conversationId
     * @param {string} userId
     * @returns {Promise<void>}
     */
    removeParticipant(conversationId: string, userId: string): Promise<void>;
    /**
     * Read a page of messages in ascending order: the newest, or those at a seq.
     *
     * @param {string} conversationId
     * @param {{limit?: number, beforeSeq?: number, afterSeq?: number, aroundSeq?: number}} [page]
     * @returns {Promise<{messages: Message[], hasMore: boolean}>}
     */
    listMessages(conversationId: string, page?: {
        limit?: number;
        beforeSeq?: number;
        afterSeq?: number;
        aroundSeq?: number;
    }): Promise<{
        messages: Message[];
        hasMore: boolean;
    }>;
    /**
     * @param {string} messageId
     * @returns {Promise<Message>}
     */
    getMessage(messageId: string): Promise<Message>;
    /**
     * Give a message of one's own another body, unless it changed since we saw it.
     *
     * @param {{id: string, version: number}} message
     * @param {{body: string, metadata?: Record<string, any>}} changes
     * @returns {Promise<Message>}
     */
    editMessage({ id, version }: {
        id: string;
        version: number;
    }, changes: {
        body: string;
        metadata?: Record<string, any>;
    }): Promise<Message>;
    /**
     * @param {{id: string, version: number}} message
     * @returns {Promise<void>}
     */
    deleteMessage({ id, version }: {
        id: string;
        version: number;
    }): Promise<void>;
    /** @returns {Promise<any>} */
    rateLimits(): Promise<any>;
    /**
     * Make any call of the HTTP API.
     *
     * @param {string} method
     * @param {string} path
     * @param {object} [body]
     * @param {Record<string, string>} [headers]
     * @returns {Promise<any>} the body of the answer; rejects with Problem or Unreachable
     */
    call(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<any>;
    #private;
}
/**
 * Full jitter: a random wait between nothing and a bound that doubles from half a second to 30 seconds, so that the
 * clients of a service that comes back don't all arrive at once.
 */
export class Backoff {
    /** @param {() => number} random  draws from [0, 1) */
    constructor(random?: () => number);
    /**
     * Draw the next wait, in milliseconds.
     *
     * @param {number} atLeastMs  what the service asked for
     */
    next(atLeastMs?: number): number;
    reset(): void;
    #private;
}
export type Role = "observer" | "member" | "admin" | "owner";
export type Conversation = {
    id: string;
    kind: "group" | "direct";
    title: string | null;
    metadata: Record<string, any>;
    historyVisibility: "all" | "joined";
    createdBy: string;
    createdAt: string;
    version: number;
    /**
     * an event whose seq is not above it is already in here
     */
    lastSeq: number;
};
export type OwnMarks = {
    muted: boolean;
    hidden: boolean;
    pinned: boolean;
};
/**
 * what a list of one's conversations tells besides
 */
export type OwnView = {
    role: Role;
    readSeq: number;
    /**
     * 1,000 means that or more
     */
    unreadCount: number;
    lastMessage: Message | null;
};
export type ListedConversation = Conversation & OwnView & OwnMarks;
export type Membership = {
    userId: string;
    role: Role;
    joinedAt: string;
    leftAt: string | null;
};
/**
 * the marks are told to the user himself only
 */
export type Participant = Membership & Partial<OwnMarks>;
export type Message = {
    id: string;
    conversationId: string;
    seq: number;
    senderId: string;
    deviceId: string;
    clientMessageId: string;
    type: string;
    /**
     * null once it was deleted
     */
    body: string | null;
    /**
     * null once it was deleted
     */
    metadata: Record<string, any> | null;
    replyTo: string | null;
    createdAt: string;
    editedAt: string | null;
    deletedAt: string | null;
    version: number;
};
/**
 * one durable fact; types that are not known are to be ignored
 */
export type EventFrame = {
    op: "event";
    cursor: string;
    conversationId: string;
    seq: number;
    type: string;
    actorId: string;
    at: string;
    data: any;
};
/**
 * what is known can't be mended: read the lists again, then ask for the next event
 */
export type ResyncFrame = {
    op: "resync";
    reason: "too_old" | "diverged";
    cursor: string;
};
export type SignalFrame = {
    op: "signal";
    type: "typing" | "read";
    conversationId: string;
    userId: string;
    on?: boolean | undefined;
    seq?: number | undefined;
};
/**
 * a refusal, the same over HTTP and in an `error` frame
 */
export type ProblemBody = {
    code: string;
    title: string;
    detail: string;
    status: number;
    retryable: boolean;
    retryAfterMs?: number | undefined;
    errors?: {
        field: string;
        code: string;
    }[] | undefined;
};
export type ConnectionState = {
    name: "idle" | "connecting" | "catchingUp" | "live" | "waiting" | "stopped";
    /**
     * while waiting: when the next attempt is made, in milliseconds
     */
    retryAt?: number | undefined;
    /**
     * when stopped: the close code, if the service stopped it
     */
    code?: number | undefined;
    /**
     * what kept the client from connecting, where it was no lost connection
     */
    error?: Error | undefined;
};
/**
 * where the cursor outlives the process; both may be asynchronous
 */
export type CursorStorage = {
    load: () => string | null | undefined | Promise<string | null | undefined>;
    /**
     * never called again before it is done
     */
    save: (cursor: string) => void | Promise<void>;
};
/**
 * gives an access token; with `fresh` the last one is refused or about to expire
 */
export type TokenProvider = (asked: {
    fresh: boolean;
}) => string | Promise<string>;
export type Draft = {
    /**
     * drawn unless given; a repeat with the same one is the same message
     */
    clientMessageId?: string | undefined;
    type?: string | undefined;
    metadata?: Record<string, any> | undefined;
    replyTo?: string | null | undefined;
};
/**
 * what the client needs of the world; tests bring their own
 */
export type Platform = {
    openSocket: (address: string, subprotocol: string) => WebSocket;
    fetch: (address: string, init: RequestInit) => Promise<Response>;
    /**
     * in milliseconds
     */
    now: () => number;
    /**
     * of [0, 1)
     */
    random: () => number;
    /**
     * plans some work; what it returns calls that off
     */
    after: (ms: number, work: () => void) => () => void;
};
export type Options = {
    /**
     * of the service, such as `https://chat.example.com`
     */
    url: string | URL;
    token: string | TokenProvider;
    /**
     * without it each client begins at the stream's end, or where `open` says
     */
    storage?: CursorStorage | undefined;
    /**
     * of the application, for the operator
     */
    name?: {
        name: string;
        version?: string;
    } | undefined;
    onState?: ((state: ConnectionState) => void) | undefined;
    onSignal?: ((signal: SignalFrame) => void) | undefined;
    /**
     * a refusal of a frame that asked for no answer
     */
    onProblem?: ((problem: Problem) => void) | undefined;
    platform?: Partial<Platform> | undefined;
};
