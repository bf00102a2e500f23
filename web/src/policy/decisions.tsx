export const Decisions = () => null;
