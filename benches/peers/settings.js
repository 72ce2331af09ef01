/** The settings of both servers, from the environment. README.md describes them. */
const { DATA_DIR = '.', BIND = '127.0.0.1:0', USERS = '1000', COMMIT = 'message' } = process.env;

const [, hostname, port] = /^(.*):(\d+)$/.exec(BIND);

export const settings = {
  folder: DATA_DIR,
  hostname,
  port: Number(port),
  users: Number(USERS),
  commitsOnceATurn: COMMIT === 'turn',
};
