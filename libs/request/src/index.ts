export { type Answer, sendRequest } from './send-request.ts';
