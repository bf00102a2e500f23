export const ReplayTab = () => null;
