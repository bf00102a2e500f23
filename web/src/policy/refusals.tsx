export const Refusals = () => null;
