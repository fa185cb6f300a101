export type { Bus, Subscription } from './bus.ts';
