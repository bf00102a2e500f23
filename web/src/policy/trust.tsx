export const Trust = () => null;
