/** The login and the frames of the hub, as far as the benchmark uses them. */
import { createHmac, timingSafeEqual } from 'node:crypto';

const SECRET = 'the-secret-of-the-benchmark';

export const PRESENCE_STATE = JSON.stringify({ type: 'presence_state', online: [] });

/** Returns the user id of the session cookie, or null if the cookie is missing, forged or expired. */
export function authenticate(cookies) {
  const token = /(?:^|; *)session=([^;]*)/.exec(cookies ?? '')?.[1] ?? '';
  const [header, payload, signature] = token.split('.');
  if (!signature) return null;
  const expected = createHmac('sha256', SECRET).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const { alg } = decode(header);
  const { sub, exp } = decode(payload);
  const userId = Number(sub);
  return alg === 'HS256' && exp * 1000 > Date.now() && isId(userId) ? userId : null;
}

function decode(part) {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}

function isId(value) {
  return Number.isSafeInteger(value) && value > 0;
}

/** Parses a frame of a client. Returns null if it is not a valid `private_message`. */
export function parseMessage(text) {
  const frame = parse(text);
  const key = frame?.client_message_id ?? null;
  const isValid =
    frame?.type === 'private_message' &&
    isId(frame.recipient_id ?? frame.conversation_id) &&
    typeof frame.content === 'string' &&
    (key === null || typeof key === 'string');
  return isValid ? frame : null;
}

/** Parses the body of a request that creates a group. Returns null if it is not valid. */
export function parseGroup(text) {
  const body = parse(text);
  const ids = body?.participant_ids;
  const isValid = Array.isArray(ids) && ids.every(isId) && typeof body.title === 'string';
  return isValid ? body : null;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function welcome(userId) {
  return JSON.stringify({ type: 'system', event: 'welcome', message: 'Welcome!', protocol: 1, user_id: userId });
}

export function refusal(ref, code, message) {
  return JSON.stringify({ type: 'error', ref, code, message });
}

/** Returns the frame for the recipients and the acknowledgment for the sender. The message is encoded once for both. */
export function framesOf(message, ref) {
  const { conversation_id, sender_id, created_at } = message;
  const json = JSON.stringify(message);
  const ids = `"conversation_id":${conversation_id},"sender_id":${sender_id}`;
  return {
    frame: `{"type":"private_message","sent_at":"${created_at}",${ids},"message":${json}}`,
    ack: `{"type":"ack","ref":${JSON.stringify(ref ?? null)},"message":${json}}`,
  };
}
