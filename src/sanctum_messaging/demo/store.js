/**
 * What the page knows of a user's conversations. It is made of lists read over HTTP and of events, and a list plus the
 * events after it gives what a later list would: nothing in here asks the network or touches the page.
 */

/** @import { EventFrame, ListedConversation, Message, Participant } from './sanctum.js' */
/** @import { Conversation, Held } from './types.js' */

const TYPING_SHOWN_MS = 6_000;

/**
 * @typedef {object} Effects  what the page has to do about an event, besides showing the new state
 * @property {() => void} changed
 * @property {(conversation: Conversation, why: 'removed' | 'left' | 'deleted', actorId: string) => void} gone
 * @property {() => void} incomplete  something happened in a conversation of which the list has to be read
 * @property {(message: Message, conversation: Conversation) => void} arrived  somebody wrote a message just now
 * @property {(message: Message) => void} own  a message of one's own is known to be stored
 */

export class Store {
  /** @type {Map<string, Conversation>} */
  conversations = new Map();
  #user;
  #effects;
  #activity = 0;
  /** @type {Record<string, (event: EventFrame) => void>} */
  #takers = {
    'conversation.created': (event) => this.#join(event, event.data.participants),
    'conversation.updated': (event) => this.#retitle(event),
    'conversation.deleted': (event) => this.#lose(event, 'deleted'),
    'participant.added': (event) => this.#takeAdded(event),
    'participant.updated': (event) => this.#takeParticipant(event),
    'participant.removed': (event) => this.#takeRemoved(event),
    'message.created': (event) => this.#takeCreated(event),
    'message.updated': (event) => this.#putMessage(event.data.message),
    'message.deleted': (event) => this.#takeDeleted(event),
  };

  /**
   * @param {string} user
   * @param {Effects} effects
   */
  constructor(user, effects) {
    this.#user = user;
    this.#effects = effects;
  }

  /** All conversations, the most recently active first. */
  list() {
    return [...this.conversations.values()].sort((one, other) => other.activity - one.activity);
  }

  /** Forget everything: what comes next is read anew. */
  clear() {
    this.conversations.clear();
    this.#effects.changed();
  }

  /**
   * Take a list of conversations; what events have told since it was read stays.
   *
   * @param {ListedConversation[]} items  the most recently active first
   */
  putList(items) {
    for (const item of [...items].reverse()) this.#putItem(item);
    this.#effects.changed();
  }

  /**
   * Take an event; the caller has dropped repeats. Unknown types are of newer services and mean nothing here.
   *
   * @param {EventFrame} event
   */
  takeEvent(event) {
    this.#takers[event.type]?.(event);
    const conversation = this.conversations.get(event.conversationId);
    if (conversation && event.seq > conversation.lastSeq) {
      conversation.lastSeq = event.seq;
      conversation.activity = ++this.#activity;
    }
    this.#effects.changed();
  }

  /** @param {any} signal */
  takeSignal({ type, conversationId, userId, on, seq }) {
    const conversation = this.conversations.get(conversationId);
    if (type === 'read' && userId === this.#user) this.read(conversationId, seq);
    if (type === 'typing' && conversation && userId !== this.#user) {
      if (on) conversation.typing.set(userId, Date.now() + TYPING_SHOWN_MS);
      else conversation.typing.delete(userId);
      this.#effects.changed();
    }
  }

  /** Drop what is shown as typing for too long: the signal that ends it may be lost. */
  expireTyping() {
    for (const { typing } of this.conversations.values()) {
      for (const [userId, until] of typing) if (until <= Date.now() && typing.delete(userId)) this.#effects.changed();
    }
  }

  /**
   * Move one's read marker up.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  read(conversationId, seq) {
    const conversation = this.conversations.get(conversationId);
    if (!conversation || seq <= conversation.readSeq) return;
    conversation.readSeq = seq;
    if (this.#counts(conversation, seq)) conversation.unreadCount = this.#countAfter(conversation, seq);
    else this.#effects.incomplete();
    this.#effects.changed();
  }

  /**
   * Participants are about to be read: what events tell meanwhile may be newer than the answer.
   *
   * @param {Conversation} conversation
   */
  awaitParticipants(conversation) {
    conversation.changes = new Map();
  }

  /**
   * Take the participants that were read.
   *
   * @param {Conversation} conversation
   * @param {Participant[]} participants
   */
  putParticipants(conversation, participants) {
    conversation.participants = new Map(participants.map((each) => [each.userId, each]));
    for (const [userId, changed] of conversation.changes ?? []) {
      if (changed) conversation.participants.set(userId, changed);
      else conversation.participants.delete(userId);
    }
    conversation.changes = null;
    this.#effects.changed();
  }

  /**
   * Take a page of messages: the newest first, then each next older one. A page that was asked for before the
   * conversation was forgotten is of no use any more.
   *
   * @param {Conversation} conversation
   * @param {{messages: Message[], hasMore: boolean}} page
   */
  putHistory(conversation, { messages, hasMore }) {
    if (this.conversations.get(conversation.id) !== conversation) return;
    conversation.history = 'loaded';
    conversation.hasMore = hasMore;
    messages.forEach((message) => this.#putMessage(message));
    this.#effects.changed();
  }

  /**
   * Take one message, unless a later version of it is known.
   *
   * @param {Message} message
   */
  putMessage(message) {
    this.#putMessage(message);
    this.#effects.changed();
  }

  /** @param {ListedConversation} item */
  #putItem(item) {
    const held = this.conversations.get(item.id);
    if (item.lastMessage) this.#noteOwn(item.lastMessage);
    if (held === undefined) this.conversations.set(item.id, { ...empty(), ...item, activity: ++this.#activity });
    else if (held.lastSeq > item.lastSeq) this.read(item.id, item.readSeq);
    else Object.assign(held, item, held.lastSeq < item.lastSeq && { activity: ++this.#activity });
  }

  /**
   * @param {EventFrame} event
   * @param {Participant[] | null} participants  all, where the event names them
   */
  #join(event, participants) {
    if (this.#isKnown(event)) return;
    const { conversation, participant } = event.data;
    const own = participants?.find((each) => each.userId === this.#user) ?? participant;
    this.conversations.set(event.conversationId, {
      ...empty(),
      ...conversation,
      lastSeq: event.seq,
      role: own.role,
      readSeq: event.seq,
      unreadCount: 0,
      lastMessage: null,
      participants: participants && new Map(participants.map((each) => [each.userId, each])),
      activity: ++this.#activity,
    });
    // What was written before one was added is told by the list only.
    if (participants === null) this.#effects.incomplete();
  }

  /** @param {EventFrame} event */
  #retitle(event) {
    const conversation = this.#find(event);
    const { title, version } = event.data.conversation;
    if (conversation && version > conversation.version) Object.assign(conversation, { title, version });
  }

  /** @param {EventFrame} event */
  #takeAdded(event) {
    if (event.data.participant.userId === this.#user) this.#join(event, null);
    this.#takeParticipant(event);
  }

  /** @param {EventFrame} event */
  #takeParticipant(event) {
    const { participant } = event.data;
    const conversation = this.#find(event);
    conversation?.participants?.set(participant.userId, participant);
    conversation?.changes?.set(participant.userId, participant);
    const own = participant.userId === this.#user;
    if (conversation && own && !this.#isKnown(event)) conversation.role = participant.role;
  }

  /** @param {EventFrame} event */
  #takeRemoved(event) {
    const { userId } = event.data.participant;
    if (userId === this.#user) {
      this.#lose(event, event.data.reason);
      return;
    }
    const conversation = this.#find(event);
    conversation?.participants?.delete(userId);
    conversation?.changes?.set(userId, null);
  }

  /**
   * @param {EventFrame} event
   * @param {'removed' | 'left' | 'deleted'} why
   */
  #lose(event, why) {
    const conversation = this.conversations.get(event.conversationId);
    if (!conversation || this.#isKnown(event)) return;
    this.conversations.delete(event.conversationId);
    this.#effects.gone(conversation, why, event.actorId);
  }

  /** @param {EventFrame} event */
  #takeCreated(event) {
    const conversation = this.#find(event);
    if (!conversation) return;
    const { message } = event.data;
    const counts = !this.#isKnown(event) && this.#isUnread(conversation, message);
    conversation.typing.delete(message.senderId);
    // A message that was deleted meanwhile counts until its deletion comes, which is the next event of it.
    if (counts) conversation.unreadCount += 1;
    this.#putMessage(message);
    if (counts) this.#effects.arrived(message, conversation);
  }

  /** @param {EventFrame} event */
  #takeDeleted(event) {
    const conversation = this.#find(event);
    if (!conversation) return;
    const { message } = event.data;
    const counted = !this.#isKnown(event) && this.#isUnread(conversation, message);
    if (counted && conversation.unreadCount > 0) conversation.unreadCount -= 1;
    this.#putMessage(message);
  }

  /** @param {Message} message */
  #putMessage(message) {
    this.#noteOwn(message);
    const conversation = this.conversations.get(message.conversationId);
    if (!conversation) return;
    const held = conversation.messages.get(message.id);
    // Before the newest page was read, keeping single messages would leave holes.
    if (conversation.history !== 'none' && (held?.version ?? 0) < message.version) {
      conversation.messages.set(message.id, message);
    }
    if (isNewer(message, conversation.lastMessage)) conversation.lastMessage = message;
  }

  /** @param {Message} message */
  #noteOwn(message) {
    if (message.senderId === this.#user) this.#effects.own(message);
  }

  /**
   * Find the conversation of an event; one that we don't know was beyond what was listed.
   *
   * @param {EventFrame} event
   */
  #find(event) {
    const conversation = this.conversations.get(event.conversationId);
    if (!conversation) this.#effects.incomplete();
    return conversation;
  }

  /** @param {EventFrame} event */
  #isKnown(event) {
    const conversation = this.conversations.get(event.conversationId);
    return conversation !== undefined && event.seq <= conversation.lastSeq;
  }

  #isUnread(conversation, message) {
    return message.senderId !== this.#user && message.seq > conversation.readSeq;
  }

  /** Whether all messages after a seq are at hand. */
  #counts({ history, hasMore, messages, lastMessage }, seq) {
    if (!lastMessage || lastMessage.seq <= seq) return true;
    return history === 'loaded' && (!hasMore || [...messages.values()].some((message) => message.seq <= seq));
  }

  #countAfter({ messages }, seq) {
    const unread = (each) => each.senderId !== this.#user && each.seq > seq && each.deletedAt === null;
    return [...messages.values()].filter(unread).length;
  }
}

/** @returns {Omit<Held, 'activity'>} */
const empty = () => ({
  participants: null,
  changes: null,
  messages: new Map(),
  history: 'none',
  hasMore: false,
  typing: new Map(),
});

/**
 * @param {Message} message
 * @param {Message | null} other
 */
function isNewer(message, other) {
  if (other === null) return true;
  return message.seq > other.seq || (message.id === other.id && message.version > other.version);
}
