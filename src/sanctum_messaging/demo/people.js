import { avatar, byId, element, iconButton, showList } from './dom.js';
import { NamesField } from './namesField.js';
import { titleOf } from './titles.js';

/** @import { Session } from './session.js' */
/** @import { Participant, Role } from './sanctum.js' */
/** @import { Conversation } from './types.js' */

/** @type {Role[]} the lowest first */
const ROLES = ['observer', 'member', 'admin', 'owner'];
const rank = (role) => ROLES.indexOf(role);
/** @param {Role} role */
const administers = (role) => rank(role) >= rank('admin');
/** Nobody grants or touches what is not below himself, but for owners. */
const reaches = (own, other) => administers(own) && (own === 'owner' || rank(other) < rank(own));

/** Who is in the open conversation, with what one's own role lets one change about it. */
export class People {
  #session;
  #ask;
  #notice;
  #panel = byId('people');
  #names = new NamesField(byId('add-field'), 'add-names', 'Name, then Enter');
  #drawn = '';

  /**
   * @param {Session} session
   * @param {(question: string, answer: string) => Promise<boolean>} ask
   * @param {(problem: Error) => void} notice
   */
  constructor(session, ask, notice) {
    this.#session = session;
    this.#ask = ask;
    this.#notice = notice;
    byId('show-people').addEventListener('click', () => this.toggle(this.#panel.hidden));
    byId('hide-people').addEventListener('click', () => this.toggle(false));
    this.#panel.addEventListener('keydown', ({ key }) => key === 'Escape' && this.toggle(false));
    byId('add-people').addEventListener('submit', (event) => this.#add(event));
    byId('leave').addEventListener('click', () => this.#leave());
  }

  /** @param {boolean} shown */
  toggle(shown) {
    this.#panel.hidden = !shown;
    byId('show-people').setAttribute('aria-expanded', String(shown));
    this.render();
    byId(shown ? 'hide-people' : 'show-people').focus();
  }

  render() {
    const conversation = this.#session.open;
    if (!conversation) this.#panel.hidden = true;
    if (!conversation || this.#panel.hidden) return;
    const { kind, role } = conversation;
    const group = kind === 'group';
    byId('add-people').hidden = !group || !administers(role);
    byId('leave').hidden = !group || role === 'observer';
    this.#renderRoles(role);
    this.#renderParticipants(conversation);
  }

  /** @param {Role} own */
  #renderRoles(own) {
    if (this.#drawn === own) return;
    this.#drawn = own;
    byId('add-role').replaceChildren(...optionsOf(own, 'member'));
  }

  /** @param {Conversation} conversation */
  #renderParticipants({ participants, kind, role }) {
    const sorted = [...(participants?.values() ?? [])].sort(
      (one, other) => rank(other.role) - rank(one.role) || one.userId.localeCompare(other.userId),
    );
    showList(byId('participants'), sorted, {
      key: ({ userId, role: theirs }) => JSON.stringify([userId, theirs, role]),
      create: (participant) => this.#create(participant, role, kind),
      update: () => undefined,
    });
  }

  /**
   * @param {Participant} participant
   * @param {Role} own
   * @param {'group' | 'direct'} kind
   */
  #create(participant, own, kind) {
    const { userId, role } = participant;
    const me = userId === this.#session.user;
    const changes = kind === 'group' && !me && reaches(own, role);
    return element(
      'li',
      {},
      avatar(userId),
      element('span', { class: 'name' }, userId, me && element('small', {}, ' (you)')),
      changes ? this.#roleSelect(participant, own) : element('span', { class: 'role' }, role),
      changes && iconButton('close', `Remove ${userId}`, () => this.#remove(userId)),
    );
  }

  /**
   * @param {Participant} participant
   * @param {Role} own
   */
  #roleSelect({ userId, role }, own) {
    const change = async ({ target }) => {
      if (!await this.#try(() => this.#session.changeRole(userId, target.value))) target.value = role;
    };
    return element('select', { 'aria-label': `Role of ${userId}`, change }, ...optionsOf(own, role));
  }

  /** @param {SubmitEvent} event */
  async #add(event) {
    event.preventDefault();
    const names = this.#names.take();
    if (names.length === 0) return;
    if (await this.#try(() => this.#session.addPeople(names, byId('add-role').value))) this.#names.clear();
  }

  /** @param {string} userId */
  async #remove(userId) {
    const sure = await this.#ask(`Remove ${userId}? The conversation disappears for ${userId} at once.`, 'Remove');
    if (sure) await this.#try(() => this.#session.removePerson(userId));
  }

  async #leave() {
    const conversation = this.#session.open;
    if (!conversation) return;
    const sure = await this.#ask(`Leave “${titleOf(conversation, this.#session.user)}”?`, 'Leave');
    if (sure) await this.#try(() => this.#session.removePerson(this.#session.user));
  }

  /** @param {() => Promise<void>} work */
  async #try(work) {
    try {
      await work();
      return true;
    } catch (error) {
      this.#notice(/** @type {Error} */ (error));
      return false;
    }
  }
}

/**
 * @param {Role} own
 * @param {Role} chosen
 */
function optionsOf(own, chosen) {
  const granted = ROLES.filter((role) => reaches(own, role));
  return granted.map((role) => element('option', { value: role, selected: role === chosen }, role));
}
