/**
 * The sign-in form: log in, or create an account. Owns its fields and its error line; the caller handles success.
 */
import { byId } from './dom.js';
import { HubError, sentence } from './errors.js';

/**
 * @param {{login: (username: string, password: string) => Promise<void>,
 *   register: (account: {username: string, password: string, display_name?: string}) => Promise<void>}} on
 */
export function createLogin(on) {
  const form = /** @type {HTMLFormElement} */ (byId('account'));
  const fields = /** @type {any} */ (form.elements);
  const submit = /** @type {HTMLButtonElement} */ (form.querySelector('[type=submit]'));
  let registering = false;

  /** @param {string} text */
  const say = (text) => {
    byId('account-error').textContent = text;
    byId('account-error').hidden = !text;
  };

  /** @param {boolean} to */
  function setRegistering(to) {
    registering = to;
    byId('account-title').textContent = submit.textContent = to ? 'Create account' : 'Log in';
    byId('account-switch').textContent = to ? 'I have an account' : 'Create an account';
    byId('name-field').hidden = !to;
    fields.password.autocomplete = to ? 'new-password' : 'current-password';
    // A shorter password can only be wrong, but at login the hub decides that.
    fields.password.minLength = to ? 8 : 0;
    fields.password.placeholder = to ? 'At least 8 characters' : '';
    say('');
  }

  byId('account-switch').addEventListener('click', () => {
    setRegistering(!registering);
    fields.username.focus();
  });

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const username = fields.username.value.trim();
    const password = fields.password.value;
    const display_name = fields.display_name.value.trim();
    submit.disabled = true;
    say('');
    try {
      if (registering) await on.register({ username, password, ...(display_name && { display_name }) });
      else await on.login(username, password);
      form.reset();
      setRegistering(false);
    } catch (error) {
      // Only a name that is the username of another user is a conflict here.
      const isNameTaken = registering && error instanceof HubError && error.code === 'conflict';
      say(isNameTaken ? 'That name is the username of another user. Please choose another name.' : sentence(error));
      fields.password.select();
    } finally {
      submit.disabled = false;
    }
  });

  return {
    /** @param {string} [why] a sentence, when the person did not ask to leave */
    show(why = '') {
      byId('entry').hidden = false;
      setRegistering(false);
      say(why);
      fields.username.focus();
    },
    hide() {
      byId('entry').hidden = true;
    },
  };
}
