/**
 * The shapes of the wire that this page reads (docs/protocol.md), and those that its modules hand to one another.
 *
 * @typedef {'observer' | 'member' | 'admin' | 'owner'} Role
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {string} conversationId
 * @property {number} seq
 * @property {string} senderId
 * @property {string} clientMessageId
 * @property {string} type
 * @property {string | null} body  null once it was deleted
 * @property {string | null} replyTo
 * @property {string} createdAt
 * @property {string | null} editedAt
 * @property {string | null} deletedAt
 * @property {number} version
 *
 * @typedef {object} Participant
 * @property {string} userId
 * @property {Role} role
 *
 * @typedef {object} ConversationItem  a line of `GET /v1/conversations`
 * @property {string} id
 * @property {'group' | 'direct'} kind
 * @property {string | null} title
 * @property {string} createdBy
 * @property {string} createdAt
 * @property {number} version
 * @property {number} lastSeq  an event whose seq is not above it is already in here
 * @property {Role} role  one's own
 * @property {number} readSeq
 * @property {number} unreadCount
 * @property {Message | null} lastMessage
 *
 * @typedef {object} Held  what the page holds of a conversation besides
 * @property {number} activity  grows with each event; the list is ordered by it
 * @property {Map<string, Participant> | null} participants  by user id; null until they were read
 * @property {Map<string, Participant | null> | null} changes  what events told while the participants were being read
 * @property {Map<string, Message>} messages  by id; without holes from the oldest to the newest
 * @property {'none' | 'loading' | 'loaded'} history
 * @property {boolean} hasMore  whether older messages can be read
 * @property {Map<string, number>} typing  by user id: until when it is shown, in milliseconds
 *
 * @typedef {ConversationItem & Held} Conversation
 *
 * @typedef {object} EventFrame
 * @property {'event'} op
 * @property {string} cursor
 * @property {string} conversationId
 * @property {number} seq
 * @property {string} type
 * @property {string} actorId
 * @property {string} at
 * @property {any} data
 *
 * @typedef {object} ProblemBody  a refusal, the same over HTTP and in an `error` frame
 * @property {string} code
 * @property {string} title
 * @property {string} detail
 * @property {number} status
 * @property {boolean} retryable
 * @property {number} [retryAfterMs]
 * @property {{field: string, code: string}[]} [errors]
 *
 * @typedef {object} Token
 * @property {string} token
 * @property {string} expiresAt
 *
 * @typedef {object} ConnectionState
 * @property {'connecting' | 'catchingUp' | 'live' | 'waiting' | 'stopped'} name
 * @property {number} [retryAt]  while waiting: when the next attempt is made, in milliseconds
 * @property {number} [code]  when stopped: the close code
 * @property {Error} [error]  when stopped: why no token could be had
 */

export {};
